"""A guess of a solver's fitness before anything is paid for it: kernel ridge regression on the pairs that the search has collected.

    predicted(g) = mean + sum_i a_i exp(-|z(g) - z(g_i)|^2 / (2 l^2)),      (K + ridge I) a = log fitness - mean

with z(g) the choices of every step as numbers, brought to equal scale, and l the median distance of the known ones.  It takes
milliseconds where a fitness takes a run of the model.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified`` names a light predictor; its details are in an appendix that this
book's authors have not seen, so this one is ours.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

NAMED = {"B1": 1 / 3, "B2": -1 / 6, "varying": 0.0}  # c of 1 + c h to first order in the data face; the noise face has the opposite


def features(state: Any, slots: int) -> list[float]:
    """A state of :class:`~workbench.search.solving.SolverSpace` as numbers, as many for all states of a budget."""
    places, steps = state
    values = [*places, *[1.0] * (slots - len(places))]
    for face, start, order, full, relaxation, corrector, after in steps:
        sign = -1.0 if face == "noise" else 1.0
        c, d = (sign * NAMED[one] if isinstance(one, str) else one for one in (relaxation, after))
        values += [float(face == one) for one in ("data", "noise", "v3")]
        values += [*(float(order > k) for k in (1, 2, 3)), float(start > 0), float(start > 1), 0.0 if full else 1.0, c, d]
        values += [float(corrector == one) for one in ("pseudo", "implicit")]
    return values + [0.0] * (slots + 14 * slots - len(values))


@dataclass(frozen=True)
class Predictor:
    """Predicts the logarithm of a fitness.

    Args:
        slots: the largest number of steps a state may have.
        ridge: how much of a fitness is taken for chance.
        memory: how many of the latest pairs it is trained on.
        numbers: (state, slots) -> its features, as many for all states.

    Raises:
        ValueError: for fewer than one slot or two pairs, or a ridge that is not positive.
    """

    slots: int
    ridge: float = 0.03
    memory: int = 400
    numbers: Callable[[Any, int], list[float]] = features

    def __post_init__(self) -> None:
        if self.slots < 1 or self.memory < 2 or not 0 < self.ridge < math.inf:
            raise ValueError(f"needs slots >= 1, memory >= 2 and ridge > 0, got {self}")

    def trained(self, states: Sequence[Any], fitness: Sequence[float]) -> Callable[[Sequence[Any]], Float[Tensor, "states"]]:
        """Learn from pairs (infinite fitness is left out); the result predicts for others.

        Raises:
            ValueError: for fewer than two finite pairs.
        """
        pairs = [(s, math.log(max(f, 1e-300))) for s, f in zip(states, fitness, strict=True) if math.isfinite(f)][-self.memory :]
        if len(pairs) < 2:
            raise ValueError(f"needs two states with a finite fitness to learn from, got {len(pairs)}")
        known = torch.tensor([self.numbers(s, self.slots) for s, _ in pairs], dtype=torch.float64)
        worth = torch.tensor([f for _, f in pairs], dtype=torch.float64)
        scale = known.std(0).clamp(min=1e-3)
        known, mean = known / scale, worth.mean()
        length = torch.pdist(known).median().clamp(min=1e-6)
        kernel = torch.exp(-(torch.cdist(known, known) / length).square() / 2)
        share = torch.linalg.solve(kernel + self.ridge * torch.eye(len(known), dtype=torch.float64), worth - mean)

        def predicted(others: Sequence[Any]) -> Tensor:
            there = torch.tensor([self.numbers(s, self.slots) for s in others], dtype=torch.float64) / scale
            return mean + torch.exp(-(torch.cdist(there, known) / length).square() / 2) @ share

        return predicted


@dataclass(frozen=True)
class Sieve:
    """The children of a generation that are worth judging: those the predictor thinks best, as soon as it has pairs to learn from.

    Args:
        predictor: trained anew on all pairs of the first stage in every generation.
        judged: how many children go on.
        pairs: how many pairs are needed before it is asked; before that the first ``judged`` children go on.

    Raises:
        ValueError: for fewer than one child or two pairs.
    """

    predictor: Predictor
    judged: int = 8
    pairs: int = 16

    def __post_init__(self) -> None:
        if self.judged < 1 or self.pairs < 2:
            raise ValueError(f"needs judged >= 1 and pairs >= 2, got {self}")

    def __call__(self, known: Mapping[tuple[Any, int], float], children: Sequence[Any]) -> list[Any]:
        """The best ``judged`` of the children, as predicted."""
        learned = [(state, worth) for (state, stage), worth in known.items() if stage == 0 and math.isfinite(worth)]
        if len(learned) < self.pairs or len(children) <= self.judged:
            return list(children)[: self.judged]
        predicted = self.predictor.trained(*zip(*learned, strict=True))(children)
        return [children[k] for k in torch.argsort(predicted, stable=True)[: self.judged].tolist()]
