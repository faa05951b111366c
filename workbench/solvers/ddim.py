"""DDIM: hold the data prediction still for one step.  Deterministic, or with as much fresh noise as eta asks for.

    x_s = alpha_s data + sqrt(sigma_s^2 - s_eta^2) noise + s_eta z,    s_eta = eta sigma_s sqrt(1 - exp(-2 h)),   h = lambda_s - lambda_t.

eta = 0 solves the probability-flow ODE exactly where the data prediction is constant; eta = 1 is DDPM's posterior.  The formula
for s_eta is right on every schedule (the textbook's own form holds on variance-preserving ones only).
Book: ``solvers/euler_is_ddim``.  Paper: ``song2021ddim``.
"""

import math
from dataclasses import dataclass

from workbench.solvers.one_look import OneLook, Weights


@dataclass(frozen=True)
class DDIM(OneLook):
    """First order, one evaluation a step.

    Args:
        eta: 0 (deterministic) to 1 (all the noise of the ancestral sampler).

    Raises:
        ValueError: for eta outside [0, 1].
    """

    eta: float = 0.0
    paper = "song2021ddim"
    other_names = ("DPM-Solver-1", "DDIMScheduler")

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], got {self.eta}; 0 is deterministic, 1 is ancestral")

    @property
    def stochastic(self) -> bool:
        """Whether any noise is drawn."""
        return self.eta > 0

    def weights(self, schedule, t, s) -> Weights:
        """The three weights of a step."""
        h = schedule.log_snr(s) - schedule.log_snr(t)
        lost = self.eta**2 * math.expm1(-2 * h) if self.eta else 0.0  # minus the part of sigma_s^2 drawn afresh
        kept = 0.5 * math.log1p(lost) if lost > -1 else -math.inf
        return Weights(
            t,
            x=schedule.sigma(s) / schedule.sigma(t) * math.exp(kept),
            data=-schedule.alpha(s) * math.expm1(kept - h),
            noise=schedule.sigma(s) * math.sqrt(-lost),
        )
