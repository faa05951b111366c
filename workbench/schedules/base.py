"""What every noise schedule offers: signal and noise levels, their log ratio, derivatives, and the exact inverse."""

import math
from abc import ABC, abstractmethod
from functools import cached_property
from types import ModuleType
from typing import overload

import torch
from torch import Tensor

from workbench.draws import Generators, check_generators, normal

_MEMO_LIMIT = 20_000


class Schedule(ABC):
    """x_t = alpha_t x_0 + sigma_t eps, with t = 0 the data and the noise growing with t.

    Every method maps a float to a float (remembered, so that a sampler pays for a time once) and a tensor to a
    float64 tensor of the same shape.  Times outside ``[0, t_max]`` raise ValueError.

    Attributes:
        t_max: the largest time at which the schedule means anything.
        t_first, t_last: where grids in log-SNR start and end; alpha and sigma are positive at both.
        regular_ends: whether the velocity field is finite at t = 0 and at t = t_max.
        paper: bib key of the paper that introduced it.
    """

    t_max: float
    t_first: float
    t_last: float
    regular_ends = False
    paper: str

    @abstractmethod
    def _alpha(self, t, m: ModuleType):
        """alpha_t; ``m`` is ``math`` for a float and ``torch`` for a tensor."""

    @abstractmethod
    def _sigma(self, t, m: ModuleType):
        """sigma_t."""

    @abstractmethod
    def _d_alpha(self, t, m: ModuleType):
        """d alpha / dt."""

    @abstractmethod
    def _d_sigma(self, t, m: ModuleType):
        """d sigma / dt, for sigma_t > 0."""

    @abstractmethod
    def _inverse_log_snr(self, lam, m: ModuleType):
        """The time at which log(alpha / sigma) equals ``lam``."""

    @cached_property
    def memo(self) -> dict:
        """Numbers already computed for float times (shared with the conversions of ``denoiser``)."""
        return {}

    def remember(self, key, value):
        """Store ``value`` under ``key`` in the memo, which is emptied when it grows out of hand."""
        if len(self.memo) >= _MEMO_LIMIT:
            self.memo.clear()
        self.memo[key] = value
        return value

    def _evaluate(self, name: str, t):
        if isinstance(t, Tensor):
            return getattr(self, name)(self._times(t), torch)
        key = (name, t)
        value = self.memo.get(key)
        if value is None:
            if not 0 <= t <= self.t_max:
                raise ValueError(self._outside(t))
            value = self.remember(key, getattr(self, name)(float(t), math))
        return value

    def _outside(self, t) -> str:
        return (
            f"time {t} is outside [0, {self.t_max}] of {type(self).__name__}; t = 0 is the data and larger t is noisier: "
            "check the direction and the units of the time"
        )

    def _times(self, t: Tensor) -> Tensor:
        t = (t.cpu() if t.device.type == "mps" else t).to(torch.float64)
        inside = (t >= 0) & (t <= self.t_max)
        if not bool(inside.all()):
            raise ValueError(self._outside(t[~inside].flatten()[0].item()))
        return t

    @overload
    def alpha(self, t: float) -> float: ...
    @overload
    def alpha(self, t: Tensor) -> Tensor: ...
    def alpha(self, t):
        """The factor alpha_t of the data."""
        return self._evaluate("_alpha", t)

    @overload
    def sigma(self, t: float) -> float: ...
    @overload
    def sigma(self, t: Tensor) -> Tensor: ...
    def sigma(self, t):
        """The factor sigma_t of the noise."""
        return self._evaluate("_sigma", t)

    def _log_snr(self, t, m: ModuleType):
        alpha, sigma = self._alpha(t, m), self._sigma(t, m)
        if m is math:
            if sigma == 0:
                return math.inf
            if alpha == 0:
                return -math.inf
        return m.log(alpha) - m.log(sigma)

    def log_snr(self, t):
        """lambda_t = log(alpha_t / sigma_t), half the log signal-to-noise ratio; +inf at sigma = 0, -inf at alpha = 0."""
        return self._evaluate("_log_snr", t)

    def d_alpha(self, t):
        """d alpha / dt."""
        return self._evaluate("_d_alpha", t)

    def _safe_d_sigma(self, t, m: ModuleType):
        if m is math and not self.regular_ends and self._sigma(t, m) == 0:
            return math.inf
        return self._d_sigma(t, m)

    def d_sigma(self, t):
        """d sigma / dt (infinite at sigma = 0 where sigma grows like a square root)."""
        return self._evaluate("_safe_d_sigma", t)

    def _d_variance(self, t, m: ModuleType):
        """d sigma^2 / dt, finite also where sigma grows like a square root."""
        return 2 * self._sigma(t, m) * self._d_sigma(t, m)

    def d_log_snr(self, t):
        """d lambda / dt = alpha' / alpha - sigma' / sigma, negative: noise only grows; -inf where alpha or sigma is 0."""
        if not isinstance(t, Tensor) and 0 in (self.alpha(t), self.sigma(t)):
            return -math.inf
        return self.d_alpha(t) / self.alpha(t) - self.d_sigma(t) / self.sigma(t)

    def drift(self, t):
        """f_t of the forward process dx = f_t x dt + g_t dW:  f_t = d log(alpha) / dt; -inf where alpha is 0."""
        if not isinstance(t, Tensor) and self.alpha(t) == 0:
            return -math.inf
        return self.d_alpha(t) / self.alpha(t)

    def diffusion(self, t):
        """g_t of the forward process dx = f_t x dt + g_t dW:  g_t^2 = d sigma^2 / dt - 2 f_t sigma_t^2; inf where alpha is 0."""
        squared = self._evaluate("_d_variance", t) - 2 * self.drift(t) * self.sigma(t) ** 2
        return squared.sqrt() if isinstance(squared, Tensor) else math.sqrt(squared)

    def inverse_log_snr(self, lam):
        """The time t with log_snr(t) = ``lam``, exactly: t -> lambda -> t returns to 1e-12."""
        if isinstance(lam, Tensor):
            return self._inverse_log_snr(lam.to(torch.float64), torch)
        return self._inverse_log_snr(float(lam), math)

    def kinks(self, low: float, high: float) -> list[float]:
        """The times strictly between ``low`` and ``high`` at which derivatives in t jump; none on a smooth schedule."""
        return []

    def prior(self, shape, t, *, generator: Generators, dtype: torch.dtype = torch.float32, device="cpu") -> Tensor:
        """Noise to start from: sigma_t * N(0, I) of ``shape`` (batch, \\*sample).

        This is the law of x_t up to alpha_t x_0, negligible at ``t_first``.  ``generator`` may be a list, one for each sample.
        """
        check_generators(generator, shape[0], "prior")
        return normal(shape, generator, dtype, device).mul_(self.sigma(float(t)))


def log1pexp(x, m: ModuleType):
    """log(1 + e^x) without overflow."""
    if m is math:
        return x if x > 40 else math.log1p(math.exp(x))
    return torch.nn.functional.softplus(x, threshold=40)


def check_range(name: str, t_first: float, t_last: float, t_max: float) -> None:
    """Raise ValueError unless 0 < t_last < t_first <= t_max."""
    if not 0 < t_last < t_first <= t_max or not math.isfinite(t_first):
        raise ValueError(f"{name} needs 0 < t_last < t_first <= {t_max}, finite, got t_first={t_first}, t_last={t_last}")
