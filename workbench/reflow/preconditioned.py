"""Let the network learn only the rest of a flow: the best affine velocity of the pairs, plus a network for what it leaves over."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time, per_sample
from workbench.gaussian import GaussianCoupling
from workbench.network import ask
from workbench.preconditioned import clock, total_variance
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class FlowPreconditioned(Denoiser):
    """velocity = A(x_t, t) + s(t) F(inputs, log(rho) / 4), with A the velocity of a :class:`GaussianCoupling`.

    s(t)^2 is the mean over dimensions of the coupling's loss floor, so that F's own target has unit size at every t, and F = 0 is the
    best affine flow of the pairs: its single Euler step already draws from a Gaussian with nearly their covariance.  F is shown what
    the network of a :class:`GaussianPreconditioned` denoiser is shown, x_t at unit size and twice the affine guess of the data, so
    such a network can start it.

    Args:
        net: F(inputs, times[, condition]), the inputs with twice the channels of x.
        law: mean, variances and correlations of the pairs.
        condition: bound by :meth:`given`.

    Raises:
        TypeError: for a law that is no coupling.
        ValueError: for a law that leaves nothing over, or an output of F not shaped as x.
    """

    net: Callable[..., Tensor]
    law: GaussianCoupling
    condition: Any = None
    predicts = "velocity"

    def __post_init__(self) -> None:
        if not isinstance(self.law, GaussianCoupling):
            raise TypeError(f"FlowPreconditioned needs a GaussianCoupling as its law, got {type(self.law).__name__}")
        if not self.law.floor(0.5) > 1e-12 * self.law.dim:
            raise ValueError("the affine flow of this coupling leaves nothing over, so there is nothing for a network to learn")

    @property
    def schedule(self) -> Schedule:
        """The straight lines."""
        return self.law.schedule

    @cached_property
    def spread(self) -> float:
        """The root of the data's mean variance."""
        return (float(self.law.covariance.sum(lambda values: values)) / self.law.dim) ** 0.5

    def scale(self, t: float | Tensor) -> float | Tensor:
        """s(t), from the spectrum alone."""
        return (self.law.floor(t) / self.law.dim) ** 0.5

    def weight(self, t: float | Tensor) -> float | Tensor:
        """1 / s(t)^2: with it the squared loss of F = 0 is 1 at every t."""
        return self.law.dim / self.law.floor(t)

    def given(self, condition: Any) -> "FlowPreconditioned":
        """The same network with its third argument bound, e.g. to class labels (batch,)."""
        return replace(self, condition=condition)

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """A + s F."""
        t = as_time(t, len(x))
        affine = self.law.velocity(x, t)
        guess = x - per_sample(t, x) * affine
        seen = x * per_sample(total_variance(self.schedule, t, self.spread) ** -0.5, x)
        shown = torch.cat([seen, 2 * guess], dim=1)
        return affine + per_sample(self.scale(t), x) * ask(self.net, shown, self._clock(t), self.condition, x)

    def _clock(self, t: float | Tensor) -> float | Tensor:
        """log(rho) / 4 of the nearest time between t_last and t_first: at both ends it is infinite."""
        first, last = self.schedule.t_first, self.schedule.t_last
        return clock(self.schedule, t.clamp(last, first) if isinstance(t, Tensor) else min(max(t, last), first))
