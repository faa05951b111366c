"""The variance-preserving schedule with a linear rate: the continuous limit of DDPM."""

import math
from dataclasses import dataclass

from workbench.schedules.base import Schedule, check_range, log1pexp


@dataclass(frozen=True)
class VP(Schedule):
    """beta(t) = beta_min + (beta_max - beta_min) t on [0, 1], log alpha = -1/2 * integral of beta, alpha^2 + sigma^2 = 1.

    Inverse: with q = 2 (beta_max - beta_min) log(1 + exp(-2 lambda)),  t = q / ((sqrt(beta_min^2 + q) + beta_min)(beta_max - beta_min)),
    which does not cancel at small t.  Paper: ``song2021sde``.

    Raises:
        ValueError: unless 0 < beta_min < beta_max and 0 < t_last < t_first <= 1.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_first: float = 1.0
    t_last: float = 1e-3
    t_max = 1.0
    paper = "song2021sde"

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max < math.inf:
            raise ValueError(f"VP needs 0 < beta_min < beta_max, both finite, got {self.beta_min} and {self.beta_max}")
        check_range("VP", self.t_first, self.t_last, self.t_max)

    def _log_alpha(self, t):
        return -t * (0.25 * (self.beta_max - self.beta_min) * t + 0.5 * self.beta_min)

    def _alpha(self, t, m):
        return m.exp(self._log_alpha(t))

    def _sigma(self, t, m):
        return m.sqrt(-m.expm1(2 * self._log_alpha(t)))

    def _d_log_alpha(self, t):
        return -0.5 * (self.beta_min + (self.beta_max - self.beta_min) * t)

    def _d_alpha(self, t, m):
        return self._d_log_alpha(t) * self._alpha(t, m)

    def _d_sigma(self, t, m):
        return -self._d_log_alpha(t) * self._alpha(t, m) ** 2 / self._sigma(t, m)

    def _d_variance(self, t, m):
        return -2 * self._d_log_alpha(t) * self._alpha(t, m) ** 2

    def _inverse_log_snr(self, lam, m):
        slope = self.beta_max - self.beta_min
        q = 2 * slope * log1pexp(-2 * lam, m)
        if m is math and q == math.inf:
            return math.inf
        return q / ((m.sqrt(self.beta_min**2 + q) + self.beta_min) * slope)
