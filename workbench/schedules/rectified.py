"""The straight-line schedule of flow matching and rectified flow."""

import math
from dataclasses import dataclass

from workbench.schedules.base import Schedule, check_range


@dataclass(frozen=True)
class Rectified(Schedule):
    """alpha_t = 1 - t, sigma_t = t, lambda = log((1 - t) / t), t = 1 / (1 + exp(lambda)).

    Its velocity field E[eps - x_0 | x_t] is finite at both ends, so a Runge-Kutta method in t may use them.
    Papers: ``liu2023rectified``, ``lipman2023flow``.

    Raises:
        ValueError: unless 0 < t_last < t_first <= 1.
    """

    t_first: float = 1 - 1e-3
    t_last: float = 1e-3
    t_max = 1.0
    regular_ends = True
    paper = "liu2023rectified"

    def __post_init__(self) -> None:
        check_range("Rectified", self.t_first, self.t_last, self.t_max)

    def _alpha(self, t, m):
        return 1 - t

    def _sigma(self, t, m):
        return t

    def _d_alpha(self, t, m):
        return -1.0 + 0 * t

    def _d_sigma(self, t, m):
        return 1.0 + 0 * t

    def _inverse_log_snr(self, lam, m):
        if m is math:
            return math.exp(-lam) / (1 + math.exp(-lam)) if lam > 0 else 1 / (1 + math.exp(lam))
        return m.sigmoid(-lam)
