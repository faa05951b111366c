"""SDE-DPM-Solver++: the reverse SDE with its linear half solved exactly, and the model's answers interpolated as in DPM-Solver++.

With noise of strength eta and h = lambda_s - lambda_t, the answer m and its derivatives in lambda at t (by the polynomial through
the last answers),

    data:   x_s = (sigma_s / sigma_t) e^(-eta h) x_t + (1 + eta) alpha_s sum_k h^(k+1) phi_{k+1}(-(1 + eta) h) m^(k)
                  + sigma_s sqrt(1 - e^(-2 eta h)) z,
    noise:  x_s = (alpha_s / alpha_t) x_t - (1 + eta) sigma_s sum_k h^(k+1) phi_{k+1}(h) m^(k) + sigma_s sqrt(eta (e^(2 h) - 1)) z.

eta = 0 is DPM-Solver++, eta = 1 the reverse of the noising process; this eta is tau^2 of SA-Solver, and of first order the method is
DDIM with another name for the same noise (:mod:`workbench.solvers.noise_strength`).  The data form is exact on a point mass for any
step.  The noise form is not: along a noisy path the noise prediction changes even there, and a step of order 1 with eta = 1 leaves
the variance sigma_s^2 (1 + 2 (e^h - 1)^2).

Book: ``solvers/stochastic``.  Paper: ``lu2022dpmpp``; general eta and third order ``crowson2022kdiffusion``.
"""

import math
from dataclasses import dataclass
from typing import Literal

from workbench.solvers.exponential import Face, check_face
from workbench.solvers.interpolated import interpolated
from workbench.solvers.multistep import Multistep, Weights, check_order


@dataclass(frozen=True)
class SDEDPMSolverPP(Multistep):
    """Multistep, one evaluation a step: 1 (DDPM's step), 2 ("2M SDE") or 3 ("3M SDE") answers are combined.

    Weak order 1, 2 and 2: with noise the third answer lowers the constant (on a Gaussian to about a third), not the order.

    Args:
        order: how many answers an ordinary step combines.
        eta: strength of the noise, 0 (deterministic) or more.
        correction: where two answers are combined, the line is integrated exactly ("taylor") or by half a step ("midpoint").
        face: the answer that is interpolated.
        published: for order 3, the second derivative at half its size, as public implementations have it.
        final_order: order of the last planned step, or None.

    Raises:
        ValueError: for another order, correction or face, a negative eta, ``published`` without order 3, or a final_order below 1.
    """

    order: int = 2
    eta: float = 1.0
    correction: Literal["midpoint", "taylor"] = "midpoint"
    face: Face = "data"
    published: bool = False
    final_order: int | None = None
    paper = "lu2022dpmpp"
    other_names = (
        "SDE-DPM-Solver++",
        "sde-dpmsolver++",
        "DPM++ 2M SDE",
        "DPM++ 3M SDE",
        "dpmpp_2m_sde",
        "dpmpp_3m_sde",
        "sample_dpmpp_2m_sde",
        "sample_dpmpp_3m_sde",
    )

    def __post_init__(self) -> None:
        check_face(self.face)
        check_order(self.order, (1, 2, 3), self.final_order, "SDEDPMSolverPP")
        if self.correction not in ("midpoint", "taylor"):
            raise ValueError(f"correction must be 'midpoint' or 'taylor', got {self.correction!r}")
        if not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be 0 (deterministic) or more, and finite, got {self.eta}; 1 is the reverse diffusion")
        if self.published and self.order != 3:
            raise ValueError(f"published is about the second derivative, which order 3 alone has; got order={self.order}")

    @property
    def stochastic(self) -> bool:
        """Whether any noise is drawn."""
        return self.eta > 0

    @property
    def global_order(self) -> float:
        """With noise the weak order is at most 2: answers along a noisy path have no second derivative for the third to use."""
        return min(self.order, 2) if self.eta or self.published else self.order

    def weights(self, schedule, past, s) -> Weights:
        """The polynomial through the last answers, its k-th derivative weighed by the k-th term of the exact solution."""
        variant = "B2" if self.correction == "midpoint" else "varying"
        curvature = 0.5 if self.published else 1.0
        return interpolated(schedule, past[0], s, past, self.face, math.sqrt(self.eta), variant, curvature)
