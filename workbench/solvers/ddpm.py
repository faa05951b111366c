"""DDPM's ancestral sampler: draw x_s from the posterior q(x_s | x_t, x_0) with x_0 replaced by its prediction.

    mean = (sigma_s / sigma_t) exp(-h) x_t + alpha_s (1 - exp(-2 h)) data,     h = lambda_s - lambda_t,
    variance = sigma_s^2 (1 - exp(-2 h))    "small": the posterior's own, exact when the data are one point,
             = sigma_t^2 (1 - exp(-2 h))    "large": the forward step's, exact on VP when the data are N(0, I).

In this form it is right on every schedule, flow matching included.

Book: ``foundations/following_the_flow_back``.  Paper: ``ho2020ddpm``.
"""

import math
from dataclasses import dataclass
from typing import Literal

from workbench.solvers.one_look import OneLook, Weights


@dataclass(frozen=True)
class DDPM(OneLook):
    """Weak order 1, one evaluation a step.

    Args:
        variance: "small" (posterior; equals DDIM with eta = 1) or "large" (forward).

    Raises:
        ValueError: for another variance.
    """

    variance: Literal["small", "large"] = "small"
    stochastic = True
    paper = "ho2020ddpm"
    other_names = ("DDPMScheduler",)

    def __post_init__(self) -> None:
        if self.variance not in ("small", "large"):
            raise ValueError(f"variance must be 'small' (posterior) or 'large' (forward), got {self.variance!r}")

    def weights(self, schedule, t, s) -> Weights:
        """The weights of x, data and noise of a step."""
        h = schedule.log_snr(s) - schedule.log_snr(t)
        fresh = -math.expm1(-2 * h)
        scale = schedule.sigma(s if self.variance == "small" else t)
        x = schedule.sigma(s) / schedule.sigma(t) * math.exp(-h)
        return Weights(t, x=x, data=schedule.alpha(s) * fresh, noise=scale * math.sqrt(fresh))
