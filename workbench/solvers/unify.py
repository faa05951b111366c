"""The special cases: a known solver on a known grid, written as choices of the framework.

A singlestep method becomes one with more times: its inner looks are grid points like all others, and each of its steps goes back to the
state before them.  A predictor-corrector of UniPC's kind takes its corrections as they are, and Heun's method, whose correction is made
from an answer that the next step does not reuse, is DDIM with an implicit corrector.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

from functools import singledispatch
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.deis import DEIS
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.dpm_solver_pp_3m import DPMSolverPP3M
from workbench.solvers.dpm_solver_v3 import DPMSolverV3
from workbench.solvers.euler import Euler
from workbench.solvers.heun import Heun
from workbench.solvers.multistep import Multistep
from workbench.solvers.predictor_corrector import PredictorCorrector
from workbench.solvers.singlestep import RATIOS, Singlestep
from workbench.solvers.step_choice import StepChoice
from workbench.solvers.unified import Unified


def unify(solver: Solver, schedule: Schedule, grid: Float[Tensor, "points"]) -> tuple[Unified, Float[Tensor, "more_points"]]:
    """Return the same method as a :class:`~workbench.solvers.unified.Unified`, and the grid on which it is one.

    The two runs agree to rounding, and cost the same.  Understood are the deterministic ones of: DDIM and Euler in rho, Heun in rho,
    DPM-Solver++ 2M and 3M, DEIS in log rho, UniPC, SASolver, DPMSolverV3 (statistics that act entry by entry, no corrector of pseudo-order), and the singlestep DPM-Solver and DPM-Solver++ at their published ratios.

    Args:
        solver: the method.
        schedule: the noise schedule.
        grid: its own, decreasing times; only those of singlestep methods gain points.

    Raises:
        ValueError: for a method that is not a special case, with the reason.
    """
    if solver.stochastic:
        raise ValueError(f"{solver} draws noise, and the framework is one of the probability flow; take a deterministic solver")
    grid = torch.as_tensor(grid, dtype=torch.float64)
    times = grid.tolist()
    finish = times[-1] == 0
    planned = times[schedule.alpha(times[0]) == 0 : len(times) - finish]
    choices, inner = choices_of(solver, schedule, planned)
    points = [*times[: len(times) - len(planned) - finish], *inner, *times[len(times) - finish :]]
    return Unified(tuple(choices) or (StepChoice(),), getattr(solver, "statistics", None)), torch.tensor(
        points, dtype=torch.float64
    )


@singledispatch
def choices_of(solver: Solver, schedule: Schedule, times: list[float]) -> tuple[list[StepChoice], list[float]]:
    """The choices of all planned steps, and the times with all inner looks.

    Raises:
        ValueError: for a method that is no special case.
    """
    raise ValueError(
        f"{type(solver).__name__} is not a special case of the framework: see unify's documentation for those that are"
    )


@choices_of.register
def _(solver: DDIM, schedule, times):
    return [StepChoice()] * (len(times) - 1), times


@choices_of.register
def _(solver: Euler, schedule, times):
    _in_rho(solver)
    return [StepChoice("noise")] * (len(times) - 1), times


@choices_of.register
def _(solver: Heun, schedule, times):
    _in_rho(solver)
    return [StepChoice("noise", corrector="implicit", corrector_relaxation="B2")] * (len(times) - 1), times


@choices_of.register
def _(solver: DPMSolverV3, schedule, times):
    steps, choices = len(times) - 1, []
    if solver.pseudo_corrector:
        raise ValueError(f"{solver} corrects with derivatives of the nearest answers alone; take pseudo_corrector=False")
    for i in range(steps):
        order, points = solver.points_at(i, steps), solver.corrector_points_at(i, steps)
        near = tuple(tuple(range(1, k + 1)) for k in range(1, order)) if solver.pseudo_predictor else None
        corrector = {"corrector": "pseudo", "corrector_order": points} if points else {}
        choices.append(StepChoice("v3", order=order, uses=near, **corrector))
    return choices, times


def _in_rho(solver) -> None:
    if solver.variable != "rho":
        raise ValueError(f"{solver} integrates in t, and the framework in log-SNR; take variable='rho'")


@choices_of.register
def _(solver: Multistep, schedule, times):
    kind, curvature = "varying", 1.0
    if isinstance(solver, DEIS) and solver.variable != "log_rho":
        raise ValueError(f"{solver} interpolates in {solver.variable}, and the framework in log-SNR; take variable='log_rho'")
    if isinstance(solver, DPMSolverPP2M):
        kind = "B2" if solver.correction == "midpoint" else "varying"
    elif isinstance(solver, DPMSolverPP3M):
        kind, curvature = ("B2", 0.5) if solver.published else (kind, curvature)
    elif not isinstance(solver, DEIS):
        raise ValueError(f"{type(solver).__name__} does not integrate a polynomial in log-SNR, so it is not a special case")
    steps = len(times) - 1
    orders = [solver.points_at(i, steps) for i in range(steps)]
    return [StepChoice(solver.face, order=order, relaxation=kind, curvature=curvature) for order in orders], times


@choices_of.register
def _(solver: PredictorCorrector, schedule, times):
    steps, choices = len(times) - 1, []
    for i in range(steps):
        points = solver.corrector_points_at(i, steps)
        choices.append(
            StepChoice(
                solver.face,
                order=solver.points_at(i, steps),
                relaxation=solver.variant,
                corrector="pseudo" if points else "none",
                corrector_order=points or None,
                corrector_relaxation=solver.variant,
            )
        )
    return choices, times


@choices_of.register
def _(solver: Singlestep, schedule, times):
    order, face, kind = solver.order, solver.face, "B2" if solver.correction == "midpoint" else "varying"
    own = tuple(own or usual for own, usual in zip((solver.r1, solver.r2), RATIOS[order], strict=True))
    if order == 3 and (own != RATIOS[3] or 1.0 in own):
        raise ValueError(f"{solver} has a stage that no polynomial gives; take the published ratios 1/3 and 2/3")
    if 1.0 in own:
        raise ValueError(f"{solver} looks at the end of the step twice, which is not a grid; take a ratio below 1")
    third = {"uses": ((0,),)} if kind == "B2" else {}
    pattern = {
        1: [StepChoice(face)],
        2: [StepChoice(face), StepChoice(face, 1, 2, relaxation=kind)],
        3: [StepChoice(face), StepChoice(face, 1, 2), StepChoice(face, 2, 3 - (kind == "B2"), **third)],
    }[order]
    points = times[:1]
    for t, s in pairwise(times):
        begin, h = schedule.log_snr(t), schedule.log_snr(s) - schedule.log_snr(t)
        points += [*(schedule.inverse_log_snr(begin + ratio * h) for ratio in own if ratio), s]
    return pattern * (len(times) - 1), points
