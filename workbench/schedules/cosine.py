"""The cosine schedule, written with sines so that zero is zero at both ends."""

import math
from dataclasses import dataclass

from workbench.schedules.base import Schedule, check_range


@dataclass(frozen=True)
class Cosine(Schedule):
    """alpha_t = cos(u + b) / cos b with u = (pi/2) t / (1 + s), b = (pi/2) s / (1 + s); alpha^2 + sigma^2 = 1.

    Evaluated as alpha = sin(pi/2 (1 - t)/(1 + s)) / cos b and sigma^2 = sin u sin(u + 2b) / cos^2 b: alpha is 0 at t = 1 and
    sigma is 0 at t = 0 to the last bit.  Inverse, with T = tan(u + b):  T^2 = tan^2 b + exp(-2 lambda) / cos^2 b  and
    tan u = (exp(-2 lambda) / cos^2 b) / ((T + tan b)(1 + T tan b)).  Paper: ``nichol2021improved``.

    Raises:
        ValueError: unless offset > 0 and 0 < t_last < t_first <= 1.
    """

    offset: float = 0.008
    t_first: float = 1 - 1e-3
    t_last: float = 1e-3
    t_max = 1.0
    paper = "nichol2021improved"

    def __post_init__(self) -> None:
        if not 0 < self.offset < math.inf:
            raise ValueError(f"Cosine needs a positive, finite offset, got {self.offset}")
        check_range("Cosine", self.t_first, self.t_last, self.t_max)

    @property
    def _rate(self) -> float:
        return 0.5 * math.pi / (1 + self.offset)

    @property
    def _b(self) -> float:
        return self._rate * self.offset

    def _alpha(self, t, m):
        return m.sin(self._rate * (1 - t)) / math.cos(self._b)

    def _sigma(self, t, m):
        u = self._rate * t
        return m.sqrt(m.sin(u) * m.sin(u + 2 * self._b)) / math.cos(self._b)

    def _d_alpha(self, t, m):
        return -self._rate * m.cos(self._rate * (1 - t)) / math.cos(self._b)

    def _d_sigma(self, t, m):
        return -self._alpha(t, m) * self._d_alpha(t, m) / self._sigma(t, m)

    def _d_variance(self, t, m):
        return -2 * self._alpha(t, m) * self._d_alpha(t, m)

    def _inverse_log_snr(self, lam, m):
        tangent = math.tan(self._b)
        lam = max(lam, -300.0) if m is math else lam.clamp(min=-300)  # there t is 1 to the last bit
        root = m.exp(-lam) / math.cos(self._b)
        total = math.hypot(root, tangent) if m is math else m.sqrt(root**2 + tangent**2)
        return m.atan(root / (total + tangent) * (root / (1 + total * tangent))) / self._rate
