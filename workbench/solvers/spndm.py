"""S-PNDM: iPNDM whose first step is an improved Euler step, for one more evaluation.

    e_1 at t,   e_2 at s, reached from x_t along e_1 by the DDIM map;   x_s by the map from x_t with (e_1 + e_2) / 2,

then Adams-Bashforth with the constants (3, -1) / 2: N + 1 evaluations.  Going on to three and four answers as they come in is what
``diffusers`` calls PNDM with ``skip_prk_steps=True``, the scheduler of the early latent models, whose own code calls it PLMS.

Book: ``solvers/pndm``.  Paper: ``liu2022pndm``.
"""

from dataclasses import dataclass

from workbench.solvers.heun import Heun
from workbench.solvers.multistep import check_order
from workbench.solvers.pndm import PseudoStart


@dataclass(frozen=True)
class SPNDM(PseudoStart):
    """An improved Euler step, then Adams-Bashforth; of order 2 as a whole.

    Args:
        order: how many answers are combined, 2 (the paper's) to 4.

    Raises:
        ValueError: for another order.
    """

    order: int = 2
    start = Heun.tableau
    start_steps = 1
    other_names = ("S-PNDM", "PLMS")

    def __post_init__(self) -> None:
        check_order(self.order, (2, 3, 4), None, "SPNDM")
