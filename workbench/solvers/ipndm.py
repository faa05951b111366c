"""iPNDM: the classical Adams-Bashforth constants on the noise prediction, carried over by the DDIM map.

    e = sum_j b_j noise_{-j},     x_s = (alpha_s / alpha_t) x_t - sigma_s h phi_1(h) e,     h = lambda_s - lambda_t,

b from :func:`workbench.solvers.bashforth.equal_steps`.  The first step is DDIM; the order rises as answers come in.

The constants assume that the noise prediction is averaged evenly over steps of equal size.  The flow averages it over
rho = sigma / alpha, whose steps differ; the defect costs h^3 a step whatever the order, so that orders 2, 3 and 4 all converge
with order 2 (on a grid of equal steps in rho, and only there, with their own).

Book: ``solvers/pndm``.  Papers: ``zhang2023deis`` (the name), ``liu2022pndm`` (the idea).
"""

from dataclasses import dataclass

from workbench.solvers.bashforth import equal_steps
from workbench.solvers.exponential import exact_step
from workbench.solvers.multistep import Multistep, Weights, check_order


class ClassicalAdams(Multistep):
    """Base of the pseudo-numerical methods: constant weights of the noise predictions, whatever the grid."""

    face = "noise"

    @property
    def global_order(self) -> int:
        """2, once two answers are used."""
        return min(self.order, 2)

    def weights(self, schedule, past, s) -> Weights:
        """DDIM's weights, the second of them split by the Adams-Bashforth constants."""
        exact = exact_step(schedule, past[0], s, self.face, 1)
        return Weights(past[0], exact.x, tuple(exact.derivatives[0] * b for b in equal_steps(len(past))))


@dataclass(frozen=True)
class IPNDM(ClassicalAdams):
    """One evaluation a step; order 1 is DDIM.

    Args:
        order: how many answers are combined, 1 to 4.
        final_order: number of answers in the last planned step, or None (``order``).

    Raises:
        ValueError: for another order, or a final_order below 1.
    """

    order: int = 4
    final_order: int | None = None
    paper = "zhang2023deis"
    other_names = ("iPNDM", "IPNDMScheduler")

    def __post_init__(self) -> None:
        check_order(self.order, (1, 2, 3, 4), self.final_order, "IPNDM")
