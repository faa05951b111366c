"""The variance-exploding schedule of EDM: time is the noise level."""

import math
from dataclasses import dataclass

from workbench.schedules.base import Schedule, check_range


@dataclass(frozen=True)
class VE(Schedule):
    """alpha_t = 1, sigma_t = t.  Papers: ``song2019ncsn``, ``karras2022edm``.

    Raises:
        ValueError: unless 0 < t_last < t_first.
    """

    t_first: float = 80.0
    t_last: float = 0.002
    t_max = math.inf
    paper = "karras2022edm"

    def __post_init__(self) -> None:
        check_range("VE", self.t_first, self.t_last, self.t_max)

    def _alpha(self, t, m):
        return 1.0 + 0 * t

    def _sigma(self, t, m):
        return t

    def _d_alpha(self, t, m):
        return 0.0 * t

    def _d_sigma(self, t, m):
        return 1.0 + 0 * t

    def _safe_d_sigma(self, t, m):
        return self._d_sigma(t, m)

    def _inverse_log_snr(self, lam, m):
        return math.inf if m is math and lam < -709 else m.exp(-lam)
