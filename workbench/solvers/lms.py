"""LMS: linear multistep in the noise level, Adams-Bashforth with the steps as they are.

In y = x / alpha and rho = sigma / alpha the flow is dy/drho = noise; the polynomial through the last answers is integrated exactly:

    x_s = (alpha_s / alpha_t) x_t + alpha_s sum_j w_j noise_j,     w from :func:`workbench.solvers.bashforth.bashforth` at rho_t, rho_{t-1}, ...

Toward the data the steps in rho shrink, the past lies many steps behind, and the weights tend to DDIM's: stable for steps of any
length, but slow to show the order.  On the way up (inversion) the steps grow, and the weights are large and alternate in sign.

Book: ``solvers/lms``.  Paper: ``crowson2022kdiffusion`` (whose weights are found by numerical quadrature, again in every step).
"""

from dataclasses import dataclass

from workbench.solvers.adams import in_rho
from workbench.solvers.multistep import Multistep, Weights, check_order


@dataclass(frozen=True)
class LMS(Multistep):
    """One evaluation a step; the order rises from 1 as answers come in.

    Args:
        order: how many answers are combined, 1 (DDIM) to 4.
        final_order: order of the last planned step, or None (``order``).

    Raises:
        ValueError: for another order, or a final_order below 1.
    """

    order: int = 4
    final_order: int | None = None
    face = "noise"
    paper = "crowson2022kdiffusion"
    other_names = ("linear multistep", "LMSDiscreteScheduler", "k_lms", "sample_lms")

    def __post_init__(self) -> None:
        check_order(self.order, (1, 2, 3, 4), self.final_order, "LMS")

    def weights(self, schedule, past, s) -> Weights:
        """The exact integrals of the Lagrange polynomials in rho."""
        return in_rho(schedule, past, s)
