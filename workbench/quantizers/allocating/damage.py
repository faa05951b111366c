"""How far a cheaper model's answers are from those of the model it stands for: on fixed samples, so that two of them can be compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.quantizers.allocating.layer_bank import LayerBank
from workbench.solve import solve
from workbench.solvers.base import Solver


@dataclass(frozen=True, eq=False)
class Damage:
    """E w |answer - true|^2 / d, over fixed samples: a number for each model.

    ``damage(small)`` looks at all samples, ``damage(small, 16)`` at the first 16: a coarse look.

    Args:
        answer: (model, first sample, one after the last) -> answers, one row a sample.
        true: the answers of the full model.
        weights: w of each sample, (samples,).
        batch: samples at a time.
    """

    answer: Callable[[Any, int, int], Tensor]
    true: Float[Tensor, "samples *shape"]
    weights: Float[Tensor, "samples"]
    batch: int = 64

    def __len__(self) -> int:
        return len(self.true)

    def each(self, model: Any, samples: int | None = None) -> Float[Tensor, "first"]:
        """w |answer - true|^2 / d of each of the first ``samples`` samples.

        Raises:
            ValueError: for more samples than there are, or none.
        """
        count = len(self) if samples is None else samples
        if not 1 <= count <= len(self):
            raise ValueError(f"samples={samples}; there are 1 to {len(self)} to look at")
        parts = []
        for first in range(0, count, self.batch):
            last = min(first + self.batch, count)
            gap = self.answer(model, first, last).double() - self.true[first:last].double()
            parts.append(self.weights[first:last] * gap.square().flatten(1).mean(1))
        return torch.cat(parts)

    def __call__(self, model: Any, samples: int | None = None) -> float:
        """The mean of :meth:`each`."""
        return float(self.each(model, samples).mean())


def velocity_damage(
    model: Any, x: Float[Tensor, "samples *shape"], t: Float[Tensor, "samples"], weights: Tensor | None = None, batch: int = 64
) -> Damage:
    """The error of one answer, E w(t) |v_q(x_t, t) - v(x_t, t)|^2 / d: the velocities of two denoisers at the same states.

    Args:
        model: the full one.
        x, t: the states, and the time of each.  Let the times be in random order, so that the first samples have all kinds of them.
        weights: w(t) of each; None is 1.
        batch: samples at a time.

    Raises:
        ValueError: for another number of times or weights than of states, or weights that are negative or not finite.
    """
    weights = torch.ones(len(x)) if weights is None else weights
    if not len(x) == len(t) == len(weights) >= 1:
        raise ValueError(f"got {len(x)} states, {len(t)} times and {len(weights)} weights; give as many of each, at least one")
    if not bool(((weights >= 0) & weights.isfinite()).all()):
        raise ValueError("weights need to be finite and at least 0")

    @torch.no_grad()
    def answer(one: Any, first: int, last: int) -> Tensor:
        return one.velocity(x[first:last], t[first:last])

    return _against(model, answer, weights.double(), batch)


def endpoint_damage(
    model: Any, noise: Float[Tensor, "samples *shape"], grid: Any, solver: Solver, batch: int = 64, weights: Tensor | None = None
) -> Damage:
    """The error at the end of a path: the mean square distance between where two models lead from the same noise.

    Args:
        model: the full one.
        noise: the states at ``grid[0]``.
        grid: times, decreasing.
        solver: a deterministic one.
        batch: samples at a time.
        weights: of each sample; None is 1.
    """

    def answer(one: Any, first: int, last: int) -> Tensor:
        return solve(one, noise[first:last], grid, solver).x

    return _against(model, answer, torch.ones(len(noise)).double() if weights is None else weights.double(), batch)


def _against(model: Any, answer: Callable[[Any, int, int], Tensor], weights: Tensor, batch: int) -> Damage:
    true = torch.cat([answer(model, first, min(first + batch, len(weights))) for first in range(0, len(weights), batch)])
    return Damage(answer, true, weights, batch)


def each_alone(bank: LayerBank, damage: Damage, samples: int | None = None) -> list[dict[int, float]]:
    """The damage of every layer at every level, all other layers in full precision: layers x levels evaluations."""
    return [{level: damage(bank.at({name: level}), samples) for level in bank.levels} for name in bank.names]


def additive(alone: Sequence[Mapping[int, float]], bits: Sequence[int]) -> float:
    """What an allocation would cost if layers did not know of each other: the sum of what each costs alone."""
    return sum(errors[b] for errors, b in zip(alone, bits, strict=True))
