"""Let the network learn only the rest: the exact denoiser of a Gaussian law, plus a network for what it leaves over."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from workbench.denoiser import per_sample
from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.preconditioned import Preconditioned, total_variance
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class GaussianPreconditioned(Preconditioned):
    """data = G(x_t) + s(t) F(inputs, log(rho) / 4), with G the exact denoiser of N(mean, Sigma).

    s(t)^2 = tr Cov[x_0 | x_t] / d is the mean posterior variance of the Gaussian law, so that its own target,
    (x_0 - G) / s, has unit variance at every noise level, and F = 0 is the best denoiser that knows only mean and covariance.  With
    an isotropic law of mean 0, and F shown nothing else, it is EDM's preconditioning.

    F is shown c_in x (unit variance) and, with ``shows_base``, 2 G beside it as further channels: the linear estimate uses the whole
    picture at once, what a convolution at 16x16 cannot.

    Args:
        net: F(inputs, times[, condition]); inputs has twice the channels of x with ``shows_base``.
        law: the Gaussian; its schedule is the denoiser's.
        condition: bound by :meth:`given`.
        shows_base: whether F sees G as well.

    Raises:
        TypeError: for a law that is not Gaussian.
        ValueError: for a law without variance, or an output of F not shaped as x.
    """

    net: Callable[..., Tensor]
    law: GaussianDenoiser
    condition: Any = None
    shows_base: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.law, GaussianDenoiser):
            raise TypeError(f"GaussianPreconditioned needs a GaussianDenoiser as its law, got {type(self.law).__name__}")
        if self.spread == 0:
            raise ValueError("this law has no variance, so there is nothing for a network to learn; give it a covariance > 0")

    @property
    def schedule(self) -> Schedule:
        """That of the law."""
        return self.law.schedule

    @cached_property
    def spread(self) -> float:
        """The root of the mean variance, sqrt(tr Sigma / d): what EDM calls sigma_data."""
        return math.sqrt(float(self.law.covariance.sum(lambda values: values)) / self.law.dim)

    def on(self, schedule: Schedule) -> "GaussianPreconditioned":
        """The same model on another schedule: every formula here is known on all of them."""
        return self if schedule == self.schedule else replace(self, law=self.law.on(schedule))

    def base(self, x: Tensor, t: float | Tensor) -> Tensor:
        """G(x_t)."""
        return self.law.data(x, t)

    def scale(self, t: float | Tensor) -> float | Tensor:
        """s(t), from the spectrum alone."""
        return (self.law.mmse(t) / self.law.dim) ** 0.5

    def inputs(self, x: Tensor, t: float | Tensor, base: Tensor) -> Tensor:
        """c_in x, and 2 G beside it."""
        seen = x * per_sample(total_variance(self.schedule, t, self.spread) ** -0.5, x)
        return torch.cat([seen, 2 * base], dim=1) if self.shows_base else seen
