"""How a predicted velocity is judged.  All of them are 0 only where the prediction is right; they differ in what they forgive."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.nets.training.flow_matching import Premetric, Squared

__all__ = ["Premetric", "PseudoHuber", "Squared", "Weighted"]


@dataclass(frozen=True)
class PseudoHuber:
    """(sqrt(|v - target|^2 + c^2) - c) / d: squared for small errors, linear for large ones.

    Near 0 it is |.|^2 / (2 c d), far away |.| / d; its gradient is never longer than 1 / d, so no sample dominates a batch.

    Args:
        c: where it turns linear; None takes .00054 d (``lee2024rfpp``: 1.66 for 3x32x32).  ``song2024ict`` has .00054 sqrt(d), .030.

    Raises:
        ValueError: for a c that is not positive and finite.
    """

    c: float | None = None
    paper = "lee2024rfpp"

    def __post_init__(self) -> None:
        check_c(self.c)

    def __call__(
        self,
        velocity: Float[Tensor, "batch *shape"],
        target: Float[Tensor, "batch *shape"],
        x: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The loss of each sample."""
        error = (velocity - target).flatten(1)
        dim = error.shape[1]
        c = 0.00054 * dim if self.c is None else self.c
        square = error.square().sum(1)
        return square / ((square + c * c).sqrt() + c) / dim  # the same, without the cancellation near 0


def check_c(c: float | None) -> None:
    """Raise ValueError unless ``c`` is None or positive and finite."""
    if c is not None and not 0 < c < math.inf:
        raise ValueError(f"c={c}; it needs to be positive and finite, or None for .00054 times the number of dimensions")


@dataclass(frozen=True)
class Weighted:
    """weight(t) times another premetric.

    Args:
        premetric: what is weighed.
        weight: takes (batch,) times and returns as many weights.
    """

    premetric: Premetric
    weight: Callable[[Float64[Tensor, "batch"]], Tensor]

    def __call__(
        self,
        velocity: Float[Tensor, "batch *shape"],
        target: Float[Tensor, "batch *shape"],
        x: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The weighted loss of each sample."""
        loss = self.premetric(velocity, target, x, t)
        return torch.as_tensor(self.weight(t)).to(loss) * loss
