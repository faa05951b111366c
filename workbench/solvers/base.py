"""What a solver is: an immutable object that plans a grid into a table of floats, then takes one step per row."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.schedules import Schedule


class Solver(ABC):
    """Base of all solvers with a plan.  Subclasses are frozen dataclasses.

    Attributes:
        order: the order that the method's name states.
        global_order: the order of the global error (weak order for stochastic solvers), where it is not ``order``.
        evaluations_per_step: model calls in one ordinary step.
        stochastic: whether it draws noise.
        paper: bib key.
        other_names: what papers and programs call it; one name belongs to one method.
    """

    order: float
    evaluations_per_step: int
    stochastic: bool = False
    paper: str
    other_names: tuple[str, ...] = ()

    @property
    def global_order(self) -> float:
        """The power of the step to which the error after a whole run is proportional; weak order for stochastic solvers."""
        return self.order

    @abstractmethod
    def plan(self, schedule: Schedule, grid: Float[Tensor, "points"]) -> Sequence[Any]:
        """One row of float64 numbers per step, for a monotone grid of times with alpha, sigma > 0.

        ``solve`` owns the ends at sigma = 0 and alpha = 0: unless :meth:`regular_ends`, ``plan`` never sees them.
        """

    @abstractmethod
    def step(self, model: Denoiser, x: Tensor, row: Any, memory: Any, draw: Callable[[Tensor], Tensor]) -> tuple[Tensor, Any]:
        """Return x at the next time, and what the next step needs to know (None at first).

        ``draw(x)`` gives standard normal noise shaped as x; it is called only where the row's noise weight is not 0.
        """

    def in_terms_of(self, predicts: str, rows: Sequence[Any], schedule: Schedule) -> Sequence[Any]:
        """The planned rows, rewritten for a model that predicts this face where that saves conversions (unchanged by default)."""
        return rows

    def regular_ends(self, schedule: Schedule) -> bool:
        """Whether the method may itself start at alpha = 0 and end at sigma = 0 on this schedule."""
        return False

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """Model calls for a grid of ``steps`` steps; with ``to_zero`` the last one, to t = 0, is a single data prediction.

        :meth:`evaluations_on` counts for a given schedule and grid, singular start and regular ends included.
        """
        return self.evaluations_per_step * (steps - to_zero) + to_zero

    def evaluations_on(self, schedule: Schedule, grid: Float[Tensor, "points"]) -> int:
        """Model calls of ``solve`` on this very grid: a step that ``solve`` takes itself, at either end, costs one."""
        steps, own_ends = len(grid) - 1, self.regular_ends(schedule)
        last = float(grid[-1]) == 0 and not own_ends
        first = schedule.alpha(float(grid[0])) == 0 and not own_ends and steps > last
        return self.evaluations(steps - first - last, to_zero=False) + first + last
