"""How a run of :class:`~workbench.solvers.unified.Unified` becomes a table: states as weighted sums of earlier looks.

A *look* is a state x_j at which the model was asked, with its answer m_j.  The state at grid point j, as far as it is known when a step
is taken from there, is x_j plus what a pseudo-correction adds, which is again a sum over looks.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.expansion import Expansion, StatisticsExpansion, step_weights
from workbench.solvers.step_choice import StepChoice

Sums = dict[int, tuple[Any, Any]]  # by number of the look: weight of its state, weight of its answer
CONSTANT = -1  # in the place of such a number: a summand of its own


class Sum(NamedTuple):
    """sum_j states[j] x_j + answers[j] m_j + constant, the newest look first."""

    states: tuple | Tensor
    answers: tuple | Tensor
    constant: Any


class Table:
    """The run so far: for each grid point the state there, as a sum over looks."""

    def __init__(self, schedule: Schedule, times: Sequence[float], face: str, statistics: Any = None) -> None:
        self.times, self.face = times, face
        self.states: list[Sums] = [{0: (1.0, 0.0)}]
        self.expansions: dict[str, Any] = {name: Expansion(schedule, name) for name in ("data", "noise")}
        if statistics is not None:
            self.expansions["v3"] = StatisticsExpansion(schedule, statistics)

    def step(self, i: int, choice: StepChoice) -> tuple[Sum, Sum | None]:
        """Plan step ``i`` by choices that can be met: the prediction, and the correction if the model is asked again for it."""
        expansion = self.expansions[choice.face]
        ages = {age: self.times[i - age] for age in range(i + 1)}
        start, s = ages[choice.start], self.times[i + 1]
        carried, weights, constant = step_weights(
            expansion, start, s, ages, choice.estimators(), choice.relaxation, choice.curvature
        )
        predicted = {j: (carried * u, carried * v) for j, (u, v) in self.states[i - choice.start].items()}
        self._add(predicted, i, expansion, weights, constant)
        again, after = None, {i + 1: (1.0, 0.0)}
        if choice.corrector != "none":
            others = choice.correcting(i)
            _, better, other = step_weights(
                expansion, start, s, {-1: s} | ages, (others,) * len(others), choice.corrector_relaxation
            )
            surprise = {age: better.get(age, 0.0) - weights.get(age, 0.0) for age in {**better, **weights}}
            self._add(after, i, expansion, surprise, other - constant)
            if choice.corrector == "implicit":
                again, after = by_age(after, i + 1), {i + 1: (1.0, 0.0)}
        self.states.append(after)
        return by_age(predicted, i), again

    def _add(self, sums: Sums, i: int, expansion: Any, weights: Mapping[int, Any], constant: Any) -> None:
        """Add answers of a face, by their ages at step ``i``, to a sum over looks."""
        for age, weight in weights.items():
            p, q = expansion.read(self.face, self.times[i - age])
            u, v = sums.get(i - age, (0.0, 0.0))
            sums[i - age] = (u + weight * p, v + weight * q)
        if isinstance(constant, Tensor) or constant:
            sums[CONSTANT] = (sums.get(CONSTANT, (0.0, 0.0))[0] + constant, 0.0)


def by_age(sums: Sums, newest: int) -> Sum:
    """The weights from the newest look on, without the zeros at their ends."""
    constant, looks = sums.get(CONSTANT, (0.0, 0.0))[0], {j: pair for j, pair in sums.items() if j != CONSTANT}
    parts = ([looks.get(j, (0.0, 0.0))[k] for j in range(newest, min(looks) - 1, -1)] for k in (0, 1))
    return Sum(*(together(trimmed(part)) for part in parts), constant)


def trimmed(weights: list) -> list:
    """Without the zeros at the end, but never empty."""
    while len(weights) > 1 and not isinstance(weights[-1], Tensor) and weights[-1] == 0:
        weights.pop()
    return weights


def together(weights: Sequence[Any]) -> tuple | Tensor:
    """Floats as a tuple; with a tensor among them one tensor of all, (looks, \\*shape), so that a plan can be moved to a device."""
    if not any(isinstance(one, Tensor) for one in weights):
        return tuple(weights)
    whole = torch.broadcast_tensors(*(torch.as_tensor(one, dtype=torch.float64) for one in weights))
    return torch.stack(whole)
