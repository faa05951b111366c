"""Comparing methods at an equal price: the longest grid that a budget of evaluations pays for."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.base import Solver


def grid_within(
    budget: int, solver: Solver, schedule: Schedule, grid: Callable[..., Tensor], **ends
) -> Float[Tensor, "points"] | None:
    """The grid of most steps on which ``solver`` spends at most ``budget`` evaluations, or None where not even one step fits.

    Args:
        budget: how many evaluations may be spent.
        solver: the method; its ``evaluations_on`` does the counting, both ends included.
        schedule: the noise schedule.
        grid: one of ``wb.grids``, called as grid(schedule, steps, \\*\\*ends).
        ends: such as ``stop=0``.

    Raises:
        ValueError: for a budget below 1.
    """
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise ValueError(f"budget must be a number of evaluations, at least 1, got {budget!r}")
    for steps in range(budget, 0, -1):  # no method takes a step without an evaluation
        times = grid(schedule, steps, **ends)
        try:
            if solver.evaluations_on(schedule, times) <= budget:
                return times
        except ValueError:  # the method needs more points than this
            return None
    return None
