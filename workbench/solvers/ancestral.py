"""Euler ancestral: step down to less noise than asked for, then add fresh noise up to it.

In y = x / alpha and rho = sigma / alpha, from rho_t to rho_s:

    rho_up = min(rho_s, eta rho_s sqrt(1 - rho_s^2 / rho_t^2)),    rho_down = sqrt(rho_s^2 - rho_up^2),
    y_s = y_t + (rho_down - rho_t) noise + rho_up z.

For eta in [0, 1] this is DDIM with the same eta, step for step (eta = 1: DDPM's posterior); beyond 1 more and more of the noise is
renewed, up to all of it (:class:`DDCM`).

Put sigma in the place of rho and the step is right for alpha = 1 alone.  On straight lines, alpha = 1 - t and sigma = t, the state
would arrive with the signal 1 - sigma_down where 1 - s belongs: too much of it by s - sigma_down, the familiar noisy pictures of
ancestral sampling with flow matching.  In rho it is right on every schedule.

Book: ``solvers/stochastic``.  Software: ``crowson2022kdiffusion``.
"""

import math
from dataclasses import dataclass

from workbench.solvers.one_look import OneLook, Weights


@dataclass(frozen=True)
class Ancestral(OneLook):
    """Weak order 1, one evaluation a step.

    Args:
        eta: strength of the noise, 0 (deterministic) or more.

    Raises:
        ValueError: for a negative eta.
    """

    eta: float = 1.0
    paper = "crowson2022kdiffusion"
    other_names = ("Euler ancestral", "Euler a", "EulerAncestralDiscreteScheduler", "k_euler_a", "sample_euler_ancestral")

    def __post_init__(self) -> None:
        if not self.eta >= 0:
            raise ValueError(f"eta must be 0 (deterministic) or more, got {self.eta}; 1 is the reverse diffusion")

    @property
    def stochastic(self) -> bool:
        """Whether any noise is drawn."""
        return self.eta > 0

    def weights(self, schedule, t, s) -> Weights:
        """The way down by the noise prediction, written with the data prediction, and the way up."""
        ratio = math.exp(schedule.log_snr(t) - schedule.log_snr(s))  # rho_s / rho_t
        up = min(1.0, self.eta * math.sqrt((1 - ratio) * (1 + ratio))) if self.eta else 0.0
        down = ratio * math.sqrt((1 - up) * (1 + up))  # rho_down / rho_t; up counts in rho_s
        alpha = schedule.alpha(s)
        return Weights(t, alpha / schedule.alpha(t) * down, alpha * (1 - down), schedule.sigma(s) * up)
