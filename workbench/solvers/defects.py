"""What one step misses, up to one unknown constant: the numbers that Richardson extrapolation weighs with.

*By powers.*  A method with stages misses C h^(p+1) + O(h^(p+2)) in a step of h in its own variable (rho, t or lambda).

*By moments.*  A formula x_s = a x_t + sum_j w_j m_j that is exact for answers of degree below p in lambda misses, for an answer of
degree p, its leading coefficient times the defect

    d = integral over the step of the exponential weight times u^p  -  sum_j w_j u_j^p,      u = (lambda - lambda_0) / H,

whatever the origin lambda_0 (changing it adds lower powers, for which the formula is exact), and for other answers, as the step
shrinks, the same number times the p-th derivative.  This is exact where powers are only the leading term.

Book: ``solvers/richardson``.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from workbench.schedules import Schedule
from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.deis import DEIS
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.dpm_solver_pp_3m import DPMSolverPP3M
from workbench.solvers.exponential import Face, exact_step
from workbench.solvers.multistep import Multistep
from workbench.solvers.runge_kutta import RungeKutta
from workbench.solvers.singlestep import Singlestep
from workbench.solvers.staged import Rows, Stage


def same_powers(base: Solver) -> bool:
    """Whether every step is the same formula, scaled: deterministic Runge-Kutta methods and those of DPM-Solver."""
    return isinstance(base, RungeKutta | Singlestep) and not base.stochastic


def exact_below(base: Solver) -> bool:
    """Whether the method is a formula of one look a step that is exact for answers of degree below its order in lambda."""
    if isinstance(base, DDIM):
        return not base.stochastic
    if isinstance(base, DEIS):
        return base.variable == "log_rho"
    return (isinstance(base, DPMSolverPP2M) and base.correction == "taylor") or (
        isinstance(base, DPMSolverPP3M) and not base.published
    )


def face_of(base: Solver) -> str:
    """The answer that the method asks for."""
    return getattr(base, "face", "data")


def as_rows(base: Solver, times: Sequence[float], row: Any) -> Rows:
    """A row of a method of one look a step as one of stages: the look, and the combination of the newest answers."""
    past = row.past if isinstance(base, Multistep) else (row.data,)
    return Rows(1.0, 0.0, (Stage(times[0], 1.0, ()),), Stage(times[1], row.x, past))


def power_weight(base: Solver, schedule: Schedule, times: Sequence[float]) -> float:
    """w of one block by powers: e / (E - e) with e = sum_i h_i^(p+1), E = (sum_i h_i)^(p+1)."""
    if isinstance(base, Singlestep):
        clock = schedule.log_snr
    elif base.variable == "t":
        clock = float
    else:
        clock = lambda t: schedule.sigma(t) / schedule.alpha(t)  # noqa: E731
    ticks = [clock(t) for t in times]
    parts = [(b - a) / (ticks[-1] - ticks[0]) for a, b in pairwise(ticks)]
    missed = math.fsum(part ** (base.global_order + 1) for part in parts)
    return missed / (1 - missed)


def moment_weight(
    schedule: Schedule, face: Face, fine: Sequence[Rows], coarse: Rows, past: Sequence[float], corners: Sequence[float]
) -> float:
    """w of one block by moments.

    Args:
        schedule: the noise schedule.
        face: the answer that is held on to.
        fine, coarse: the rows of the block, and the one across it; all combine as many answers as the order p.
        past: the times of the answers up to the last step of the block, newest first.
        corners: those of the long step, newest first.
    """
    end, begin, power = fine[-1].final.t, corners[0], len(coarse.final.weights)
    origin, span = schedule.log_snr(begin), schedule.log_snr(end) - schedule.log_snr(begin)
    missed = 0.0
    for i, row in enumerate(fine):
        seen = past[len(fine) - 1 - i :][:power]
        missed = row.final.scale * missed + _defect(schedule, face, row, seen, origin, span, power)
    return missed / (_defect(schedule, face, coarse, corners[:power], origin, span, power) - missed)


def _defect(schedule: Schedule, face: Face, row: Rows, times: Sequence[float], origin: float, span: float, power: int) -> float:
    """The step of ((lambda - origin) / span)^power by the exact integral, minus the step by the formula."""
    places = [(schedule.log_snr(t) - origin) / span for t in times]
    exact = exact_step(schedule, times[0], row.final.t, face, power + 1).derivatives
    whole = math.fsum(weight * math.perm(power, k) * places[0] ** (power - k) / span**k for k, weight in enumerate(exact))
    return whole - math.fsum(w * u**power for w, u in zip(row.final.weights, places, strict=True))
