"""A framework of solvers: every step states its own choices, and most known methods are special cases.

All answers of all steps are linear in what the model has said before, so the whole run is one triangular table: the state at which the
model is asked next is a weighted sum of the states at which it was asked, and of what it answered there.  ``plan`` works that table out.
A correction with the answer that the next step needs anyway ("pseudo") is merged into the next row, as in
:mod:`workbench.solvers.predictor_corrector`; one that asks again ("implicit") is a second row of the same step.

An answer belongs to the state at which it was given: it may be read as another face there, and is never asked for twice.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from workbench.denoiser import FACES, conversion
from workbench.schedules import Schedule
from workbench.solvers.base import Solver
from workbench.solvers.model_statistics import ModelStatistics
from workbench.solvers.step_choice import StepChoice
from workbench.solvers.unified_plan import Table, together

Weights = tuple | Tensor  # floats, or a tensor with one more axis in front


class Row(NamedTuple):
    """One step: ask at time t, then x = sum_j states[j] x_j + answers[j] m_j + constant over the looks so far, the newest first.

    With ``again``, a time, the model is asked at the new state too, and the second sum, over that look as well, replaces it.
    ``keep`` looks are needed later.
    """

    t: float
    states: tuple | Tensor
    answers: tuple | Tensor
    constant: float | Tensor = 0.0
    again: float = 0.0
    states_again: tuple | Tensor = ()
    answers_again: tuple | Tensor = ()
    constant_again: float | Tensor = 0.0
    keep: int = 0

    @property
    def face(self) -> None:
        """The answers are of the solver's own face."""
        return None

    @property
    def reach(self) -> int:
        """How many looks the step needs, its own first one included."""
        return max(len(self.states), len(self.answers), len(self.states_again) - 1, len(self.answers_again) - 1)


class NativeRow(NamedTuple):
    """The same for answers of the face that the model predicts."""

    t: float
    states: tuple | Tensor
    answers: tuple | Tensor
    constant: float | Tensor
    again: float
    states_again: tuple | Tensor
    answers_again: tuple | Tensor
    constant_again: float | Tensor
    keep: int
    face: str


@dataclass(frozen=True)
class Unified(Solver):
    """A solver whose every step makes its own :class:`StepChoice`.

        >>> from workbench.solvers import StepChoice, Unified
        >>> two_m = Unified((StepChoice(order=2, relaxation="B2"),))
        >>> singlestep = Unified((StepChoice("noise"), StepChoice("noise", start=1, order=2, uses=((0,),), relaxation="B2")))
        >>> (two_m.evaluations(10), two_m.order)
        (10, 2)

    Args:
        steps: the choices of the planned steps, in order.  A run with more steps goes on with the last one; a run with fewer leaves
            the end out.  What a choice asks for and the run does not have yet is left out (:meth:`StepChoice.within`).
        statistics: of the model, for steps with face="v3".

    Raises:
        ValueError: for no choices.  TypeError: for something else than choices.
    """

    steps: tuple[StepChoice, ...] = (StepChoice(order=2, relaxation="B2", corrector="pseudo", corrector_relaxation="B2"),)
    statistics: ModelStatistics | None = None
    paper = "liu2024unified"
    other_names = ("USF", "S3")

    def __post_init__(self) -> None:
        if not isinstance(self.steps, tuple) or not all(isinstance(one, StepChoice) for one in self.steps):
            raise TypeError(f"steps is a tuple of StepChoice, got {self.steps!r}")
        if not self.steps:
            raise ValueError("a solver needs at least one step; give steps=(StepChoice(),)")
        if any(one.face == "v3" for one in self.steps) and self.statistics is None:
            raise ValueError("face='v3' is chosen by the model's statistics; give statistics=ModelStatistics.estimate(model, data)")
        if self.statistics is not None and (not isinstance(self.statistics, ModelStatistics) or self.statistics.basis is not None):
            raise ValueError(
                "statistics are ModelStatistics that act entry by entry, without a basis of their own; see DPMSolverV3"
            )

    def choice(self, i: int) -> StepChoice:
        """The choices of step ``i``, from 0, as far as they can be met there."""
        return self.steps[min(i, len(self.steps) - 1)].within(i)

    @property
    def order(self) -> int:
        """Taylor terms of the last choice, which is the one that a long run repeats."""
        return self.steps[-1].order

    @property
    def global_order(self) -> int:
        """One more where the repeated step is corrected with one more term."""
        last = self.steps[-1]
        return last.order if last.corrector == "none" else min(last.order + 1, last.corrector_order or last.order + 1)

    @property
    def evaluations_per_step(self) -> int:
        """Of the repeated step: 2 with an implicit corrector."""
        return 1 + (self.steps[-1].corrector == "implicit")

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """One for each step, one more for each planned step with an implicit corrector."""
        return steps + sum(self.choice(i).corrector == "implicit" for i in range(steps - to_zero))

    @property
    def face(self) -> str:
        """The face in which the plan is written: that of the steps where they agree, else the data."""
        faces = {one.face for one in self.steps}
        return faces.pop() if faces == {"noise"} else "data"

    def plan(self, schedule: Schedule, grid) -> list[Row]:
        """The table of the whole run, one row a step."""
        times, rows, needed = grid.tolist(), [], 0
        table = Table(schedule, times, self.face, self.statistics)
        sums = [table.step(i, self.choice(i)) for i in range(len(times) - 1)]
        for i in range(len(sums) - 1, -1, -1):
            first, again = sums[i]
            second = (times[i + 1], *again) if again else ()
            rows.append(Row(times[i], *first, *second)._replace(keep=needed))
            needed = max(rows[-1].reach, needed) - 1
        return rows[::-1]

    def step(self, model, x: Tensor, row: Row | NativeRow, memory: tuple | None, draw) -> tuple[Tensor, tuple]:
        """Ask, combine; with an implicit corrector ask again and combine again."""
        ask = getattr(model, row.face or self.face)
        states, answers = memory or ((), ())
        states, answers = (x, *states), (ask(x, row.t), *answers)
        x = combined(row.states, states, row.answers, answers, row.constant)
        if row.again:
            new = ask(x, row.again)
            x = combined(row.states_again, (x, *states), row.answers_again, (new, *answers), row.constant_again)
        return x, (states[: row.keep], answers[: row.keep])

    def in_terms_of(self, predicts: str, rows: Sequence[Row], schedule: Schedule) -> Sequence[Row | NativeRow]:
        """The rows for answers of the face that the model predicts, so that no conversion is left for the steps."""
        if predicts == self.face or predicts not in FACES:
            return rows
        try:
            pairs = [conversion(schedule, predicts, self.face, row.t) for row in rows]
            extra = [conversion(schedule, predicts, self.face, row.again) if row.again else None for row in rows]
        except ValueError:
            return rows
        native = []
        for i, row in enumerate(rows):
            states, answers = rewritten(row.states, row.answers, pairs[i::-1])
            row = row._replace(states=states, answers=answers)
            if row.again:
                states, answers = rewritten(row.states_again, row.answers_again, (extra[i], *pairs[i::-1]))
                row = row._replace(states_again=states, answers_again=answers)
            native.append(NativeRow(*row, predicts))
        return native


def rewritten(states: Weights, answers: Weights, pairs: Sequence) -> tuple[Any, Any]:
    """Put  answer = c_x state + c_out native  into the sum."""
    states, answers = list(states), list(answers)
    states += [0.0] * (len(answers) - len(states))
    for k, weight in enumerate(answers):
        c_x, c_out = pairs[k]
        states[k], answers[k] = states[k] + weight * c_x, weight * c_out
    return together(states), together(answers)


def combined(
    of_states: Weights, states: Sequence[Tensor], of_answers: Weights, answers: Sequence[Tensor], constant: float | Tensor
) -> Tensor:
    """sum_j of_states[j] states[j] + of_answers[j] answers[j] + constant, one multiply-add for each weight that is not 0."""
    out = of_states[0] * states[0]
    for weights, values in ((of_states[1:], states[1:]), (of_answers, answers)):
        for weight, value in zip(weights, values, strict=False):
            if isinstance(weight, Tensor):
                out = out.addcmul(weight, value)
            elif weight:
                out.add_(value, alpha=weight)
    return out if not isinstance(constant, Tensor) else out.add_(constant)
