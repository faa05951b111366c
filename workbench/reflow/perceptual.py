"""Judging a velocity by what it makes of the sample: the distance of features of the sample that it points back to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.denoiser import per_sample
from workbench.reflow.premetrics import PseudoHuber, check_c

_FIRST = 1e-5  # no division by less than this time: below it x_t is the sample, to rounding


@dataclass(frozen=True)
class Perceptual:
    """The mean of |features(x_t - t velocity) - features(x_t - t target)|^2: the guess of the sample against the sample itself.

    Features that ignore what the eye ignores forgive it.  With ``features`` the identity it is t^2 times :class:`Squared`, as the two
    guesses differ by t (velocity - target).  At t = 0 it asks for nothing.

        classifier = wb.artifacts.load("cifar10-classifier")
        premetric  = wb.reflow.Perceptual(classifier.features)

    Args:
        features: takes samples (batch, \\*shape), returns (batch, \\*any); the weights of a network in it are not trained.
        pairwise: ``features`` takes two batches and returns their distances (batch, \\*any), as networks of the package ``lpips`` do
            (``zhang2018lpips``); then these are the loss.

    Raises:
        TypeError: for features that cannot be called.
        ValueError: when used, for features that are not one row for each sample.
    """

    features: Callable[..., Tensor]
    pairwise: bool = False
    paper = "lee2024rfpp"

    def __post_init__(self) -> None:
        if not callable(self.features):
            raise TypeError(
                f"features is {type(self.features).__name__}; it needs to be a function of samples, such as the method features of "
                'wb.artifacts.load("cifar10-classifier")'
            )

    def __call__(
        self,
        velocity: Float[Tensor, "batch *shape"],
        target: Float[Tensor, "batch *shape"],
        x: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The loss of each sample."""
        step = per_sample(t, x)
        guess, truth = x - step * velocity, (x - step * target).detach()
        if self.pairwise:
            return self._rows(self.features(guess, truth), len(x)).mean(1)
        with torch.no_grad():
            wanted = self._rows(self.features(truth), len(x))
        return (self._rows(self.features(guess), len(x)) - wanted).square().mean(1)

    def _rows(self, out: Any, batch: int) -> Tensor:
        if not isinstance(out, Tensor) or not out.ndim or len(out) != batch:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ValueError(f"features returned {got} for {batch} samples; it needs to return a tensor with one row for each")
        return out.reshape(batch, -1)


@dataclass(frozen=True)
class PerceptualHuber:
    """(1 - t) PseudoHuber + Perceptual, or with ``divide_by_t``  (1 - t) PseudoHuber + Perceptual / t.

    Near the noise the guess of the sample is judged by its features, near the data the velocity itself is.  Division by t keeps the
    perceptual part, which shrinks with t, from vanishing there.

    Args:
        features, pairwise: as for :class:`Perceptual`.
        divide_by_t: whether to divide (times below 1e-5 divide by that).
        c: of :class:`PseudoHuber`.

    Raises:
        TypeError, ValueError: as both parts.
    """

    features: Callable[..., Tensor]
    divide_by_t: bool = False
    c: float | None = None
    pairwise: bool = False
    paper = "lee2024rfpp"

    def __post_init__(self) -> None:
        Perceptual(self.features, self.pairwise)
        check_c(self.c)

    def __call__(
        self,
        velocity: Float[Tensor, "batch *shape"],
        target: Float[Tensor, "batch *shape"],
        x: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The loss of each sample."""
        near = PseudoHuber(self.c)(velocity, target, x, t)
        far = Perceptual(self.features, self.pairwise)(velocity, target, x, t)
        if self.divide_by_t:
            far = far / t.clamp(min=_FIRST).to(far)
        return (1 - t).to(near) * near + far
