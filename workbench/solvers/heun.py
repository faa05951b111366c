"""Heun's method, EDM's sampler: an Euler step, then average the slopes at both ends; optionally with churn.

    k_1 = slope(y_t, rho_t),   k_2 = slope(y_t + h k_1, rho_s),   y_s = y_t + h (k_1 + k_2) / 2.

Churn adds fresh noise before a step, lifting rho to rho (1 + gamma) with

    gamma = min(churn / N, sqrt(2) - 1)   where churn_min <= rho <= churn_max, else 0,     N = number of positive times,

never above ``schedule.t_max``.  Paper: ``karras2022edm``, Algorithm 2 (there S_churn, S_tmin, S_tmax, S_noise).
"""

import math
from dataclasses import dataclass

from workbench.solvers.runge_kutta import RungeKutta, Tableau


@dataclass(frozen=True)
class Heun(RungeKutta):
    """Second order, two evaluations a step: 2N - 1 for N positive times and a last step to 0.

    Args:
        churn: total amount of noise added over the run; 0 is deterministic.
        churn_min, churn_max: the range of rho = sigma / alpha in which noise is added.
        churn_noise: standard deviation of the added noise relative to what keeps the marginals (1).

    Raises:
        ValueError: for a negative churn, a noise that is not positive, an empty range, or churn with variable="t".
    """

    tableau = Tableau((0.0, 1.0), ((), (1.0,)), (0.5, 0.5))
    churn: float = 0.0
    churn_min: float = 0.0
    churn_max: float = math.inf
    churn_noise: float = 1.0
    order = 2
    paper = "karras2022edm"
    other_names = ("EDM sampler", "improved Euler", "HeunDiscreteScheduler", "k_heun", "sample_heun")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.churn < math.inf and 0 < self.churn_noise < math.inf and self.churn_min < self.churn_max):
            raise ValueError(
                "Heun needs a finite churn >= 0, a positive churn_noise and churn_min < churn_max (no noise at all is churn=0), got "
                f"churn={self.churn}, churn_noise={self.churn_noise}, churn_min={self.churn_min}, churn_max={self.churn_max}"
            )
        if self.churn and self.variable == "t":
            raise ValueError("churn is defined in rho = sigma / alpha; use variable='rho'")

    @property
    def stochastic(self) -> bool:
        """Whether any noise is drawn."""
        return self.churn > 0

    def churned(self, schedule, t: float, points: int) -> tuple[float, float]:
        """Lift the noise level by gamma, within the schedule."""
        if not self.churn:
            return t, 0.0  # also where alpha = 0, and there is no rho
        rho = schedule.sigma(t) / schedule.alpha(t)
        gamma = min(self.churn / points, math.sqrt(2) - 1) if self.churn_min <= rho <= self.churn_max else 0.0
        if not gamma:
            return t, 0.0
        higher = min(schedule.inverse_log_snr(-math.log(rho * (1 + gamma))), schedule.t_max)
        if schedule.alpha(higher) == 0:
            return t, 0.0
        lifted = schedule.sigma(higher) / schedule.alpha(higher)
        return higher, schedule.alpha(higher) * self.churn_noise * math.sqrt(max(lifted**2 - rho**2, 0.0))
