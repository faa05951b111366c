"""Richardson extrapolation of whole runs: the same method on a grid, on every second point of it, perhaps on every fourth.

Where the error of n steps is C n^(-p) + C' n^(-p-1) + ..., two runs show C, three show C' too:

    T_j0 = the run on every 2^j-th point,     T_jk = T_j,k-1 + (T_j,k-1 - T_j+1,k-1) / (2^(p+k-1) - 1),     the result is T_0,levels-1.

The expansion holds for any one-step method whose grids of n = 1, 2, 3, ... steps are one smooth curve of clocks (all of ``wb.grids``),
and leads with n^(-p) for multistep methods; a last step to t = 0, a first one from alpha = 0 and noise drawn do not belong to it.

Book: ``solvers/richardson``.  Paper: ``hairer1993solving``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, at_least_single
from workbench.solution import Solution, check_state
from workbench.solve import check_grid, check_instance, check_model, solve
from workbench.solvers.base import Solver


@dataclass(frozen=True)
class ExtrapolatedSolution(Solution):
    """A :class:`~workbench.Solution` whose ``evaluations`` are those of all runs, a first answer that they share counted once.

    Args:
        plain: the end of the finest run alone, before a last step to t = 0, (batch, \\*shape).
        gain: the last correction of the tableau, T_0,levels-1 - T_0,levels-2: about the error of the entry before it.
    """

    plain: Tensor | None = None
    gain: Tensor | None = None


class FirstAnswer(Denoiser):
    """A model that is asked once for what all runs begin with: one face at one state and time."""

    def __init__(self, model: Denoiser, x: Tensor, t: float) -> None:
        self.model, self.schedule, self.predicts, self.cost = model, model.schedule, model.predicts, getattr(model, "cost", 1)
        self.start, self.time, self.known, self.saved = x, t, {}, 0

    def predict(self, x: Tensor, t) -> Tensor:
        """The model's own."""
        return self.model.predict(x, t)

    def face(self, target: str, x: Tensor, t) -> Tensor:
        """Remembered for the first state, asked for every other."""
        if x is not self.start or t != self.time:
            return getattr(self.model, target)(x, t)
        if target in self.known:
            self.saved += 1
        else:
            self.known[target] = getattr(self.model, target)(x, t)
        return self.known[target]


def extrapolated(
    model: Denoiser,
    x: Float[Tensor, "batch *shape"],
    grid: Float[Tensor, "points"] | Sequence[float],
    solver: Solver,
    *,
    levels: int = 2,
) -> ExtrapolatedSolution:
    """Carry ``x`` from ``grid[0]`` to ``grid[-1]`` several times, and combine the ends.

    The ends of a grid that ``solve`` takes itself (a first step from alpha = 0, a last one to t = 0) are taken once, outside the
    extrapolation.  What is left needs a number of steps that ``2^(levels - 1)`` divides.

    Args:
        model, x, grid: as for :func:`workbench.solve`.
        solver: any deterministic one; its ``global_order`` is p.
        levels: how many runs.

    Raises:
        TypeError, ValueError: for a bad model, state, grid or solver, a stochastic solver, levels below 2, or steps that do not divide.
    """
    check_instance(solver)
    check_model(model)
    check_state(x)
    times, schedule = check_grid(grid, model.schedule, solver), model.schedule
    if solver.stochastic:
        raise ValueError(
            f"{type(solver).__name__} draws noise; runs with other noise have no error in common: take a deterministic one"
        )
    if isinstance(levels, bool) or not isinstance(levels, int) or levels < 2:
        raise ValueError(f"levels is the number of runs, an int of at least 2; got {levels!r}")
    own = solver.regular_ends(schedule)
    finish = times[-1] == 0 and not own
    inner = times[:-1] if finish else times
    lead = len(inner) > 1 and schedule.alpha(inner[0]) == 0 and not own
    steps, most = len(inner) - 1 - lead, 2 ** (levels - 1)
    if steps < most or steps % most:
        raise ValueError(
            f"{levels} levels need a number of steps that {most} divides, got {steps} beside the ends (alpha = 0 and t = 0 are not counted)"
        )
    state = at_least_single(x)
    if lead:
        state, inner = solve(model, state, inner[:2], solver).x, inner[1:]
    shared = FirstAnswer(model, state, inner[0])
    runs = [solve(shared, state, inner[:: 2**j], solver) for j in range(levels)]
    ends = [run.x for run in runs]
    spent = sum(run.evaluations for run in runs) - shared.saved + lead + finish
    plain = ends[0]
    for k in range(levels - 1):
        factor = 1 / (2 ** (solver.global_order + k) - 1)
        gain = factor * (ends[0] - ends[1])
        ends = [fine + factor * (fine - coarse) for fine, coarse in pairwise(ends)]
    with torch.no_grad():
        end = model.data(ends[0], inner[-1]) if finish else ends[0]
    grid = torch.tensor(times, dtype=torch.float64)
    return ExtrapolatedSolution(
        end.to(x.dtype), None, grid, spent, solver, getattr(model, "cost", 1), plain=plain.to(x.dtype), gain=gain.to(x.dtype)
    )
