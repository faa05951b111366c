"""The states of a search for solvers: a place for each time and choices for each step, within a budget that is spent exactly.

A state is ``(places, steps)``.  The places, between 0 and 1, put the times between the ends on the scale of log-SNR; a step is

    (face, start, order, full, relaxation, corrector, corrector_relaxation)

as in :class:`~workbench.solvers.StepChoice`, with ``full`` for derivatives estimated through all answers of the order, and otherwise
the k-th one through the k nearest.  States are tuples of numbers and strings, so that a checkpoint can hold them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers import StepChoice, Unified

Step = tuple[str, int, int, bool, float | str, str, float | str]
State = tuple[tuple[float, ...], tuple[Step, ...]]
DIGITS = 6  # of a place and of a relaxation: two states that differ by less are one


@dataclass(frozen=True)
class SolverSpace:
    """The solvers that spend exactly ``budget`` evaluations between two times.

    Args:
        schedule: the noise schedule.
        budget: evaluations of the model in a run, both ends included.
        start, stop: the ends of the grid; 0 finishes with the data prediction.
        faces: the faces that a step may expand; "v3" needs statistics.
        orders: Taylor orders that a step may have.
        starts: ages of the state that a step may start from.
        correctors: what a step may correct with.
        statistics: what the face "v3" knows of the model (:class:`~workbench.solvers.ModelStatistics`).

    Raises:
        ValueError: for a budget that does not pay for a step besides the ends, or an empty list of choices.
    """

    schedule: Schedule
    budget: int
    start: float
    stop: float
    faces: tuple[str, ...] = ("data", "noise")
    orders: tuple[int, ...] = (1, 2, 3, 4)
    starts: tuple[int, ...] = (0, 1, 2)
    correctors: tuple[str, ...] = ("none", "pseudo", "implicit")
    statistics: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.budget, bool) or not isinstance(self.budget, int) or self.budget < 1 + self.singular:
            raise ValueError(
                f"budget={self.budget!r}: a whole number of evaluations, at least {1 + self.singular} between {self.start} and {self.stop}"
            )
        if not all((self.faces, self.orders, self.starts, self.correctors)):
            raise ValueError("faces, orders, starts and correctors each need at least one entry")
        if self.correctors == ("implicit",):
            raise ValueError(
                "an implicit corrector in every step leaves no way to spend an odd budget; allow 'none' or 'pseudo' too"
            )
        for one in (StepChoice(face, start, order, corrector=c) for face, start, order, c in self._all()):
            Unified((one,), self.statistics)  # whether the choices exist

    def _all(self):
        faces, starts, orders, correctors = self.faces, self.starts, self.orders, self.correctors
        return [(f, s, o, c) for f in faces for s in starts for o in orders for c in correctors]

    @property
    def top(self) -> bool:
        """Whether the first step starts without signal, and is ``solve``'s own."""
        return self.schedule.alpha(self.start) == 0

    @property
    def singular(self) -> int:
        """How many steps, at the two ends, are not planned."""
        return int(self.top) + int(self.stop == 0)

    @property
    def levels(self) -> tuple[float, float]:
        """log-SNR at the places 0 and 1."""
        first = self.schedule.t_first if self.top else self.start
        last = self.schedule.t_last if self.stop == 0 else self.stop
        return self.schedule.log_snr(first), self.schedule.log_snr(last)

    def cost(self, state: State) -> int:
        """Evaluations of a run."""
        return len(state[1]) + self.singular + sum(step[5] == "implicit" for step in state[1])

    def check(self, state: State) -> State:
        """The state itself.

        Raises:
            ValueError: for one that spends more or less than the budget, or whose places and steps do not belong together.
        """
        places, steps = state
        if self.cost(state) != self.budget:
            raise ValueError(f"this solver spends {self.cost(state)} evaluations, and the budget is exactly {self.budget}")
        rising = all(a < b for a, b in pairwise(places))
        low = not places or places[0] > 0 or (self.top and places[0] == 0)
        high = not places or places[-1] < 1 or (self.stop == 0 and places[-1] == 1)
        if len(places) != len(steps) + self.singular - 1 or not (rising and low and high):
            raise ValueError(
                f"{len(steps)} steps need {len(steps) + self.singular - 1} rising places between 0 and 1, got {places}"
            )
        return state

    def decode(self, state: State) -> tuple[Unified, Float[Tensor, "points"]]:
        """The solver and its grid."""
        places, steps = self.check(state)
        low, high = self.levels
        inner = self.schedule.inverse_log_snr(low + (high - low) * torch.tensor(places, dtype=torch.float64))
        ends = torch.tensor([self.start, self.stop], dtype=torch.float64)
        return Unified(tuple(map(choice, steps)), self.statistics), torch.cat([ends[:1], inner, ends[1:]])

    def encode(self, solver: Unified, grid: Sequence[float] | Tensor) -> State:
        """A known solver on a known grid (:func:`workbench.solvers.unify`) as a state.

        Raises:
            ValueError: where it has a choice that the space has not, or spends another budget.
        """
        low, high = self.levels
        times = torch.as_tensor(grid, dtype=torch.float64).tolist()
        places = tuple(round((self.schedule.log_snr(t) - low) / (high - low), DIGITS) for t in times[1:-1])
        planned = len(times) - 1 - self.singular
        return self.check((places, tidy([step_of(solver.choice(i)) for i in range(planned)])))


def choice(step: Step) -> StepChoice:
    """A step of a state as a :class:`~workbench.solvers.StepChoice`."""
    face, start, order, full, relaxation, corrector, corrector_relaxation = step
    uses = None
    if not full:
        others = [age for age in range(order) if age != start]
        uses = tuple(tuple(others[:k]) for k in range(1, order))
    return StepChoice(face, start, order, uses, relaxation, corrector=corrector, corrector_relaxation=corrector_relaxation)


def step_of(one: StepChoice) -> Step:
    """The other way round.

    Raises:
        ValueError: for choices that no state has: a curvature, an unusual estimate or corrector.
    """
    relaxation, after = (0.0 if c == "varying" else c for c in (one.relaxation, one.corrector_relaxation))
    for full in (True, False):
        step = (one.face, one.start, one.order, full, relaxation, one.corrector, after)
        made = choice(step)
        same = made.estimators() == one.estimators() and one.curvature == 1
        if same and (one.corrector == "none" or one.corrector_order in (None, one.order + 1)):
            return step
    raise ValueError(f"the search has no place for {one}: a curvature, an unusual estimate, or a corrector of another order")


def tidy(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same solver without the choices that nothing depends on, so that one solver is one state."""
    out = []
    for i, (face, start, order, full, relaxation, corrector, after) in enumerate(steps):
        start, order = min(start, i), min(order, i + 1)
        if corrector == "pseudo" and i == len(steps) - 1:
            corrector = "none"  # nobody asks again
        named = isinstance(relaxation, str) and (order != 2 or face == "v3")
        kept = 0.0 if order == 1 or named else relaxation
        unused = corrector == "none" or (isinstance(after, str) and (order != 1 or face == "v3"))
        out.append((face, start, order, full or order < 3, kept, corrector, 0.0 if unused else after))
    return tuple(out)
