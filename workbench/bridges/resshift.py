"""ResShift: a chain that moves from a degraded picture to a clean one while it denoises.

    x_t = x_0 + eta_t (x_T - x_0) + kappa sqrt(eta_t) z,      so  a = eta,  b = 1 - eta,  c = kappa sqrt(eta),

with x_T the degraded picture (y in the paper).  The chain is Brownian motion with a drift, not conditioned on where it ends: at eta = 1 it stands
at x_T plus noise.  Its posterior has the mean (eta_s / eta_t) x_t + (1 - eta_s / eta_t) x_0, without x_T, and the variance
kappa^2 eta_s (1 - eta_s / eta_t).  Book: ``solvers/bridges``.  Paper: ``yue2023resshift``.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.pinned import Pinned, check_ends
from workbench.solvers.one_look import OneLook, Weights


@dataclass(frozen=True)
class ResShift(Pinned):
    """Time is t = sqrt(eta), from 0 to 1: alpha = 1 - t^2, sigma = kappa t, and the shifted state needs no other units.

    Inverse: with k = kappa exp(lambda),  t = 2 / (k + sqrt(k^2 + 4)).

    Args:
        kappa: the noise at eta = 1.

    Raises:
        ValueError: for a kappa that is not positive.
    """

    kappa: float = 2.0
    t_max = 1.0
    t_first = 0.99
    regular_ends = True
    paper = "yue2023resshift"

    def __post_init__(self) -> None:
        if not 0 < self.kappa < math.inf:
            raise ValueError(f"ResShift needs a positive kappa, got {self.kappa}")

    @property
    def t_last(self) -> float:
        """Where the published chain begins: noise of 0.04, or less."""
        return min(0.04, 0.04 / self.kappa)

    def _alpha(self, t, m):
        return (1 - t) * (1 + t)

    def _sigma(self, t, m):
        return self.kappa * t

    def _d_alpha(self, t, m):
        return -2 * t

    def _d_sigma(self, t, m):
        return self.kappa + 0 * t

    def _inverse_log_snr(self, lam, m):
        if m is math and lam > 700:
            return 0.0
        k = self.kappa * m.exp(lam)
        return 2 / (k + m.sqrt(k * k + 4))

    def _end_weight(self, t, m):
        return t * t

    def _size(self, t, m):
        return 1.0 + 0 * t

    def grid(self, steps: int = 15, power: float = 0.3) -> Float[Tensor, "points"]:
        """The published times, then 0: sqrt(eta) grows geometrically in (k / (steps - 1))^power, from ``t_last`` to ``t_first``.

        Raises:
            ValueError: for fewer than two steps, or a power that is not positive.
        """
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2 or not 0 < power < math.inf:
            raise ValueError(f"ResShift's grid needs steps >= 2 and a positive power, got {steps!r} and {power!r}")
        share = torch.linspace(0, 1, steps, dtype=torch.float64) ** power
        times = self.t_last * (self.t_first / self.t_last) ** share
        times[-1] = self.t_first
        return torch.cat([times.flip(0), torch.zeros(1, dtype=torch.float64)])

    def start(self, end: Float[Tensor, "batch *shape"], noise: Float[Tensor, "batch *shape"], t: float | None = None) -> Tensor:
        """The published start x_t = x_T + kappa t z at ``t_first``, as a shifted state: it takes x_0 for x_T where that hardly counts."""
        check_ends(noise, end)
        t = self.t_first if t is None else float(t)
        return self.alpha(t) * end + self.sigma(t) * noise


@dataclass(frozen=True)
class ResShiftStep(OneLook):
    """The chain's own posterior: x_s = (eta_s / eta_t) x_t + (1 - eta_s / eta_t) data + kappa sqrt(eta_s (1 - eta_s / eta_t)) z.

    On the shifted state the same weights hold.  It is a member of DDIM's family, with an eta of DDIM between 0 and 1 that depends on the step.
    """

    stochastic = True
    paper = "yue2023resshift"

    def weights(self, schedule, t, s) -> Weights:
        """The three weights of a step.

        Raises:
            TypeError: for any schedule but :class:`ResShift`.
        """
        if not isinstance(schedule, ResShift):
            raise TypeError(
                f"ResShiftStep is the posterior of the ResShift schedule, got {type(schedule).__name__}; use DBIM there"
            )
        kept = (s / t) ** 2
        return Weights(t, x=kept, data=1 - kept, noise=schedule.sigma(s) * math.sqrt(1 - kept))
