"""A diffusion conditioned on its end point: Doob's bridge, as DDBM and DBIM use it.

With rho = sigma / alpha of the base diffusion and r = rho_t^2 / rho_T^2,

    a = alpha_t r / alpha_T,      b = alpha_t (1 - r),      c = alpha_t rho_t sqrt(1 - r),

and so  (b / c)^2 = 1 / rho_t^2 - 1 / rho_T^2:  the signal-to-noise ratio of the bridge is that of the diffusion minus what the end
point has already told.  Book: ``solvers/bridges``.  Papers: ``zhou2024ddbm``, ``zheng2025dbim``.
"""

import math
from dataclasses import dataclass

import torch

from workbench.bridges.pinned import Pinned, root
from workbench.schedules import VP, Schedule

FIRST = 1e-3  # the first step leaves T by this share of it, as published


@dataclass(frozen=True)
class Bridge(Pinned):
    """The bridge of ``base`` between x_0 at time 0 and x_T at time ``end``, in units in which alpha^2 + sigma^2 = 1.

    Inverse: with U = rho_T^2, log(alpha / sigma) of the base is 1/2 log(exp(2 lambda) + 1 / U), exactly.  At t = T, alpha is 0 and
    y_T is pure noise: what DBIM calls the booting noise.

    Args:
        base: the diffusion; by default the published one, beta from 0.1 to 2.1.
        end: T; ``base.t_first`` if None.

    Raises:
        TypeError: for a base that is no schedule, or is a bridge itself.
        ValueError: for an end outside the base, before its t_last, or with no signal left (alpha = 0), where an end point says nothing.
    """

    base: Schedule = VP(0.1, 2.1, t_last=1e-4)
    end: float | None = None
    paper = "zhou2024ddbm"

    def __post_init__(self) -> None:
        if not isinstance(self.base, Schedule) or isinstance(self.base, Pinned):
            raise TypeError(f"Bridge needs an ordinary schedule such as wb.schedules.VP() as its base, got {self.base!r}")
        end = float(self.base.t_first if self.end is None else self.end)
        if not self.base.t_last < end * (1 - FIRST) or not end <= self.base.t_max or not math.isfinite(end):
            raise ValueError(
                f"a bridge ends between t_last = {self.base.t_last} and t_max = {self.base.t_max} of its base, got {end}"
            )
        if self.base.alpha(end) == 0 or self.base.sigma(end) == 0:
            raise ValueError(
                f"at end = {end} the base has alpha = {self.base.alpha(end)}: x_T would say nothing about x_0; end at t_first = "
                f"{self.base.t_first}"
            )
        object.__setattr__(self, "end", end)

    @property
    def t_max(self) -> float:
        """T."""
        return self.end

    @property
    def t_first(self) -> float:
        """T (1 - 1e-3): where grids in log-SNR start after their first point, T."""
        return self.end * (1 - FIRST)

    @property
    def t_last(self) -> float:
        """That of the base."""
        return self.base.t_last

    def kinks(self, low: float, high: float) -> list[float]:
        """Those of the base."""
        return self.base.kinks(low, high)

    @property
    def _final(self) -> float:
        """U = rho_T^2."""
        known = self.memo.get("final")
        return self.remember("final", self._clock(self.end, math)) if known is None else known

    def _clock(self, t, m):
        """rho_t^2 of the base, the time of Brownian motion."""
        ratio = self.base._sigma(t, m) / self.base._alpha(t, m)
        return ratio * ratio

    def _d_clock(self, t, m):
        alpha, sigma = self.base._alpha(t, m), self.base._sigma(t, m)
        return (self.base._d_variance(t, m) - 2 * self.base._d_alpha(t, m) / alpha * sigma * sigma) / (alpha * alpha)

    def _left(self, t, m):
        """w = rho_t^2, and 1 - w / U: the share of the way that is left, 0 at T to the last bit."""
        w = self._clock(t, m)
        left = 1 - w / self._final
        return w, (max(left, 0.0) if m is math else torch.where(t >= self.end, 0.0, left.clamp(min=0)))

    def _alpha(self, t, m):
        w, left = self._left(t, m)
        return root(left / (left + w), m)

    def _sigma(self, t, m):
        w, left = self._left(t, m)
        return root(w / (left + w), m)

    def _slope(self, t, m):
        """Minus half the derivative of alpha^2, and half that of sigma^2: w' / (2 (1 - w / U + w)^2)."""
        w, left = self._left(t, m)
        return 0.5 * self._d_clock(t, m) / (left + w) ** 2

    def _d_alpha(self, t, m):
        alpha = self._alpha(t, m)
        return -math.inf if m is math and alpha == 0 else -self._slope(t, m) / alpha

    def _d_sigma(self, t, m):
        return self._slope(t, m) / self._sigma(t, m)

    def _d_variance(self, t, m):
        return 2 * self._slope(t, m)

    def _inverse_log_snr(self, lam, m):
        told = -math.log(self._final)  # 2 lambda of the base at T
        larger = max(2 * lam, told) if m is math else (2 * lam).clamp(min=told)
        smaller = min(2 * lam, told) if m is math else (2 * lam).clamp(max=told)
        gained = math.log1p(math.exp(smaller - larger)) if m is math else torch.log1p(torch.exp(smaller - larger))
        t = self.base._inverse_log_snr(0.5 * (larger + gained), m)
        if m is math:
            return self.end if lam == -math.inf else min(t, self.end)  # rounding at the very end
        return torch.where(lam == -math.inf, self.end, t.clamp(max=self.end))

    def _end_weight(self, t, m):
        return self.base._alpha(t, m) / self.base.alpha(self.end) * (self._clock(t, m) / self._final)  # 1 at T to the last bit

    def _size(self, t, m):
        w, left = self._left(t, m)
        return self.base._alpha(t, m) * root(left * (left + w), m)
