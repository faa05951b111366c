"""A raw network F inside a formula that already denoises:  data = base(x) + scale F, with EDM's formula as the plain case.

What F must learn is only what the formula leaves over; ``scale`` is its size, so that F predicts a target of unit size at every
noise level.  The Gaussian case, whose formula is the exact denoiser of a Gaussian law, is ``workbench.gaussian.preconditioned``.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time, per_sample
from workbench.network import ask
from workbench.schedules import VE, Schedule


class Preconditioned(Denoiser):
    """data = base(x_t) + scale(t) F(inputs(x_t), log(rho) / 4),  rho = sigma / alpha.

    A subclass gives ``base``, ``scale`` and ``inputs``; its fields include ``net``, ``schedule`` and ``condition``.  A loss weight of
    1 / scale^2 on the error of ``data`` makes the loss that of F against a target of unit size, (x_0 - base) / scale.
    """

    net: Callable[..., Tensor]
    condition: Any
    predicts = "data"

    @abstractmethod
    def base(self, x: Tensor, t: float | Tensor) -> Tensor:
        """What is predicted before the network has learned anything."""

    @abstractmethod
    def scale(self, t: float | Tensor) -> float | Tensor:
        """The size of what ``base`` leaves over; a float, or (batch,) for (batch,) times."""

    @abstractmethod
    def inputs(self, x: Tensor, t: float | Tensor, base: Tensor) -> Tensor:
        """What the network is shown, of unit variance."""

    def given(self, condition: Any) -> "Preconditioned":
        """The same network with its third argument bound, e.g. to class labels (batch,)."""
        return replace(self, condition=condition)

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """base + scale F."""
        t = as_time(t, len(x))
        base = self.base(x, t)
        return base + per_sample(self.scale(t), x) * self.raw(x, t, base)

    def raw(self, x: Tensor, t: float | Tensor, base: Tensor) -> Tensor:
        """F itself, on what it is shown."""
        return ask(self.net, self.inputs(x, t, base), clock(self.schedule, t), self.condition, x)


@dataclass(frozen=True)
class EDMDenoiser(Preconditioned):
    """EDM's preconditioning around a raw network F, on any schedule.

    With rho = sigma / alpha and y = x / alpha,

        data = c_skip y + c_out F(c_in y, log(rho) / 4),   c_skip = s^2 / (rho^2 + s^2),  c_out = rho s / sqrt(rho^2 + s^2),
        c_in = 1 / sqrt(rho^2 + s^2),

    so that F sees unit variance and predicts a target of unit variance when the data's standard deviation is s.  Written in x, no
    factor diverges where alpha = 0.  With F = 0 it is exactly the denoiser of N(0, s^2 I).  Paper: ``karras2022edm``.

    Args:
        net: F(x, times[, condition]), times being log(rho) / 4 of shape (batch,) (at alpha = 0: its value at
            ``schedule.t_first``).
        sigma_data: s, the standard deviation of the data (0.5 for images in [-1, 1]).

    Raises:
        ValueError: for sigma_data that is not positive, or an output not shaped as x.
    """

    net: Callable[..., Tensor]
    sigma_data: float = 0.5
    schedule: Schedule = VE()
    condition: Any = None
    paper = "karras2022edm"

    def __post_init__(self) -> None:
        if not 0 < self.sigma_data < math.inf:
            raise ValueError(f"sigma_data must be positive, got {self.sigma_data}")

    def base(self, x: Tensor, t: float | Tensor) -> Tensor:
        """c_skip y, the denoiser of N(0, s^2 I)."""
        alpha, norm = self.schedule.alpha(t), total_variance(self.schedule, t, self.sigma_data)
        return per_sample(self.sigma_data**2 * alpha / norm, x) * x

    def scale(self, t: float | Tensor) -> float | Tensor:
        """c_out."""
        return self.sigma_data * self.schedule.sigma(t) / total_variance(self.schedule, t, self.sigma_data) ** 0.5

    def inputs(self, x: Tensor, t: float | Tensor, base: Tensor) -> Tensor:
        """c_in y."""
        return x * per_sample(total_variance(self.schedule, t, self.sigma_data) ** -0.5, x)


def total_variance(schedule: Schedule, t: float | Tensor, sigma_data: float) -> float | Tensor:
    """sigma^2 + (alpha s)^2, the variance of a coordinate of x_t."""
    sigma, signal = schedule.sigma(t), schedule.alpha(t) * sigma_data
    return sigma * sigma + signal * signal


def clock(schedule: Schedule, t: float | Tensor) -> float | Tensor:
    """log(rho) / 4, and at alpha = 0, where that is infinite, its value at t_first: a network cannot digest infinity."""
    lam = schedule.log_snr(t)
    if isinstance(lam, Tensor):
        return -0.25 * torch.where(lam == -math.inf, schedule.log_snr(schedule.t_first), lam)
    return -0.25 * (schedule.log_snr(schedule.t_first) if lam == -math.inf else lam)
