"""How a run of :class:`~workbench.solvers.unified.Unified` becomes a table: states as weighted sums of earlier looks.

A *look* is a state x_j at which the model was asked, with its answer m_j.  The state at grid point j, as far as it is known when a step
is taken from there, is x_j plus what a pseudo-correction adds, which is again a sum over looks.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from workbench.denoiser import conversion
from workbench.schedules import Schedule
from workbench.solvers.expansion import Expansion, step_weights
from workbench.solvers.step_choice import StepChoice

Looks = tuple[tuple, tuple]  # weights of the states and of the answers, newest look first
Sums = dict[int, tuple[Any, Any]]  # by number of the look: weight of its state, weight of its answer


class Look(NamedTuple):
    """A planned step: see :class:`~workbench.solvers.unified.Row`."""

    t: float
    states: tuple
    answers: tuple
    again: tuple


class Table:
    """The run so far: for each grid point the state there, as a sum over looks."""

    def __init__(self, schedule: Schedule, times: Sequence[float], face: str) -> None:
        self.schedule, self.times, self.face = schedule, times, face
        self.states: list[Sums] = [{0: (1.0, 0.0)}]
        self.expansions = {name: Expansion(schedule, name) for name in ("data", "noise")}

    def step(self, i: int, choice: StepChoice) -> Look:
        """Plan step ``i`` by choices that can be met, and remember the state it leads to."""
        expansion = self.expansions[choice.face]
        ages = {age: self.times[i - age] for age in range(i + 1)}
        start, s = ages[choice.start], self.times[i + 1]
        carried, weights = step_weights(expansion, start, s, ages, choice.estimators(), choice.relaxation, choice.curvature)
        predicted = _scaled(self.states[i - choice.start], carried)
        for age, weight in weights.items():
            _add(predicted, i - age, self.read(choice.face, i - age), weight)
        again, after = (), {i + 1: (1.0, 0.0)}
        if choice.corrector != "none":
            others = choice.correcting(i)
            estimators = (others,) * len(others)
            _, better = step_weights(expansion, start, s, {-1: s} | ages, estimators, choice.corrector_relaxation)
            surprise = {age: better.get(age, 0.0) - weights.get(age, 0.0) for age in {**better, **weights}}
            for age, weight in surprise.items():
                _add(after, i - age, self.read(choice.face, i - age), weight)
            if choice.corrector == "implicit":
                again, after = (s, *_by_age(after, i + 1)), {i + 1: (1.0, 0.0)}
        self.states.append(after)
        return Look(self.times[i], *_by_age(predicted, i), again)

    def read(self, face: str, j: int) -> tuple[float, float]:
        """The answer of look ``j`` as another face: weights of its state and of its answer."""
        return (0.0, 1.0) if face == self.face else conversion(self.schedule, self.face, face, self.times[j])


def _scaled(sums: Sums, by: Any) -> Sums:
    return {j: (by * u, by * v) for j, (u, v) in sums.items()}


def _add(sums: Sums, j: int, pair: tuple[Any, Any], weight: Any) -> None:
    u, v = sums.get(j, (0.0, 0.0))
    sums[j] = (u + weight * pair[0], v + weight * pair[1])


def _by_age(sums: Sums, newest: int) -> Looks:
    """Two tuples from the newest look on, without the zeros at their ends."""
    oldest = min(sums)
    states, answers = ([sums.get(j, (0.0, 0.0))[k] for j in range(newest, oldest - 1, -1)] for k in (0, 1))
    return _trimmed(states), _trimmed(answers)


def _trimmed(weights: list) -> tuple:
    while len(weights) > 1 and weights[-1] == 0:
        weights.pop()
    return tuple(weights)
