"""The schedule of a network trained on N discrete noise levels, continued to all times between them."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from workbench.schedules.base import Schedule, check_range, log1pexp


@dataclass(frozen=True)
class DiscreteVP(Schedule):
    """alpha^2 = alphas_cumprod[n] at t = (n + 1) / N, alpha = 1 at t = 0, log alpha linear between; alpha^2 + sigma^2 = 1.

    Level n of the table is the input t N - 1 of the network (``NetworkDenoiser(..., time=schedule.level)``).
    The inverse is that of a piecewise linear function, exact.  Derivatives jump at the levels (right-hand values).
    Paper: ``ho2020ddpm``.

    Args:
        alphas_cumprod: (N,) cumulative products of DDPM, strictly decreasing within (0, 1).

    Raises:
        ValueError: for a table that is empty, not strictly decreasing, or touches 0 or 1.
    """

    alphas_cumprod: Sequence[float] | Tensor = field(repr=False)
    t_max = 1.0
    t_first = 1.0
    paper = "ho2020ddpm"

    def __post_init__(self) -> None:
        table = torch.as_tensor(self.alphas_cumprod, dtype=torch.float64).flatten().tolist()
        falling = all(later < earlier for earlier, later in pairwise(table))
        if not table or not falling or not table[-1] > 0 or not table[0] < 1:
            raise ValueError(
                "DiscreteVP needs alphas_cumprod strictly decreasing within (0, 1); got "
                f"{len(table)} numbers from {table[0] if table else None} to {table[-1] if table else None}; "
                "a table that ends in 0 (zero terminal SNR) has no finite log-SNR there: drop its last entry"
            )
        object.__setattr__(self, "alphas_cumprod", tuple(table))
        check_range("DiscreteVP", self.t_first, self.t_last, 1.0 if len(table) > 1 else 2.0)

    @classmethod
    def linear(cls, levels: int = 1000, beta_first: float = 1e-4, beta_last: float = 0.02) -> "DiscreteVP":
        """DDPM's own table: beta_n from ``beta_first`` to ``beta_last`` in equal steps (``ho2020ddpm``)."""
        return cls(torch.cumprod(1 - torch.linspace(beta_first, beta_last, levels, dtype=torch.float64), 0))

    @property
    def levels(self) -> int:
        """N, the number of noise levels."""
        return len(self.alphas_cumprod)

    @property
    def t_last(self) -> float:
        """1 / N, the time of the cleanest level."""
        return 1 / self.levels if self.levels > 1 else 0.5

    def level(self, t):
        """The (fractional) table index t N - 1 that the network was trained with."""
        return t * self.levels - 1

    def kinks(self, low: float, high: float) -> list[float]:
        """The times (n + 1) / N of the levels in between."""
        inside = range(max(int(low * self.levels), 1), min(math.ceil(high * self.levels), self.levels) + 1)
        return [n / self.levels for n in inside if low < n / self.levels < high]

    @cached_property
    def _nodes(self) -> list[float]:
        return [0.0] + [0.5 * math.log(value) for value in self.alphas_cumprod]

    @cached_property
    def _node_tensor(self) -> Tensor:
        return torch.tensor(self._nodes, dtype=torch.float64)

    def _segment(self, t, m):
        """log alpha at the left node, its change to the right node, and the fraction of the way."""
        if m is math:
            k = min(int(t * self.levels), self.levels - 1)
            return self._nodes[k], self._nodes[k + 1] - self._nodes[k], t * self.levels - k
        nodes = self._node_tensor.to(t.device)
        k = (t * self.levels).long().clamp(max=self.levels - 1)
        return nodes[k], nodes[k + 1] - nodes[k], t * self.levels - k

    def _log_alpha(self, t, m):
        left, change, fraction = self._segment(t, m)
        return left + change * fraction

    def _alpha(self, t, m):
        return m.exp(self._log_alpha(t, m))

    def _sigma(self, t, m):
        return m.sqrt(-m.expm1(2 * self._log_alpha(t, m)))

    def _d_log_alpha(self, t, m):
        return self._segment(t, m)[1] * self.levels

    def _d_alpha(self, t, m):
        return self._d_log_alpha(t, m) * self._alpha(t, m)

    def _d_sigma(self, t, m):
        return -self._d_log_alpha(t, m) * self._alpha(t, m) ** 2 / self._sigma(t, m)

    def _d_variance(self, t, m):
        return -2 * self._d_log_alpha(t, m) * self._alpha(t, m) ** 2

    def _inverse_log_snr(self, lam, m):
        fall = 0.5 * log1pexp(-2 * lam, m)  # -log alpha, increasing in t
        if m is math:
            k = min(bisect_right(self._nodes, fall, key=lambda value: -value) - 1, self.levels - 1)
            return (k + (fall + self._nodes[k]) / (self._nodes[k] - self._nodes[k + 1])) / self.levels
        nodes = -self._node_tensor.to(lam.device)
        k = (torch.searchsorted(nodes, fall, right=True) - 1).clamp(0, self.levels - 1)
        return (k + (fall - nodes[k]) / (nodes[k + 1] - nodes[k])) / self.levels
