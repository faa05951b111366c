"""DPM-Solver-fast: third-order steps, and at the end whatever makes the number of evaluations come out.

A budget of K evaluations is spent as  3, ..., 3, 2, 1  (K a multiple of 3),  3, ..., 3, 1  or  3, ..., 3, 2.

Book: ``solvers/exponential``.  Paper: ``lu2022dpmsolver``.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from workbench.solvers.exponential import Face
from workbench.solvers.singlestep import Correction, check_singlestep, singlestep
from workbench.solvers.staged import Rows, Staged

TAIL = {0: (2, 1), 1: (1,), 2: (2,)}  # the orders of the last steps, by the budget modulo 3


@dataclass(frozen=True)
class DPMSolverFast(Staged):
    """Orders 3, ..., 3 and a tail; the grid lists the outer times, and works with any number of steps from 1.

    A run that ends at 0 costs one evaluation more than its planned steps: ``for_budget(K, to_zero=True)`` sets it aside.

    Args:
        remainder: the budget modulo 3; the tail is 2, 1 for 0, then 1, then 2.  Only the last keeps the third order of a whole run.
        face: the answer that is integrated; "noise" is the paper's.
        correction: "midpoint" or "taylor", see :class:`~workbench.solvers.DPMSolver`.

    Raises:
        ValueError: for another remainder, face or correction.
    """

    remainder: Literal[0, 1, 2] = 2
    face: Face = "noise"
    correction: Correction = "midpoint"
    order = 3
    evaluations_per_step = 3
    paper = "lu2022dpmsolver"
    other_names = ("DPM-Solver-fast", "DPM fast", "k_dpm_fast", "sample_dpm_fast")

    def __post_init__(self) -> None:
        if isinstance(self.remainder, bool) or self.remainder not in TAIL:
            raise ValueError(f"remainder is the budget modulo 3 (0, 1 or 2), got {self.remainder!r}; see DPMSolverFast.for_budget")
        check_singlestep(3, self.face, self.correction)

    @classmethod
    def for_budget(
        cls, budget: int, *, face: Face = "noise", correction: Correction = "midpoint", to_zero: bool = False
    ) -> tuple["DPMSolverFast", int]:
        """The solver and the number of grid steps that spend exactly ``budget`` evaluations.

        Args:
            budget: evaluations, at least 1.
            face, correction: as for the class.
            to_zero: whether the grid ends at 0; the finish is then one of the steps and one of the evaluations.

        Raises:
            ValueError: for a budget that is not a positive int.
        """
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise ValueError(f"a budget is a number of evaluations, an int of at least 1; got {budget!r}")
        planned = budget - to_zero
        threes, remainder = divmod(planned, 3)
        steps = threes + 1 if planned else 0
        return cls(remainder, face, correction), steps + to_zero

    @property
    def global_order(self) -> int:
        """A last step of order 1 leaves an error of h^2; one of order 2 leaves h^3, no more than the run has anyway."""
        return 3 if self.remainder == 2 else 2

    def orders(self, steps: int) -> tuple[int, ...]:
        """The order, which is the number of evaluations, of each planned step; a run shorter than its tail has the tail's end."""
        tail = TAIL[self.remainder]
        return (3,) * (steps - len(tail)) + tail[max(len(tail) - steps, 0) :]

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """The sum of the orders, and one for a finish at 0."""
        return sum(self.orders(steps - to_zero)) + to_zero

    def plan(self, schedule, grid) -> list[Rows]:
        """The rows of all steps, each of its own order."""
        times = grid.tolist()
        every = zip(pairwise(times), self.orders(len(times) - 1), strict=True)
        return [singlestep(schedule, t, s, order, self.face, self.correction) for (t, s), order in every]
