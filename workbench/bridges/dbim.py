"""DBIM: the implicit sampler of a bridge, which is DDIM of the shifted state, and its higher orders, which are multistep methods of it.

As published, with x0 = D(x_s, s), from s to the cleaner t:

    x_t = a_t x_T + b_t x0 + sqrt(c_t^2 - w^2) (x_s - a_s x_T - b_s x0) / c_s + w z,     w = eta alpha_t rho_t sqrt(1 - rho_t^2 / rho_s^2).

Divide by n and take a x_T away, and this is :class:`~workbench.solvers.DDIM` on the :class:`Bridge`, with the very same eta.  Orders 2
and 3 extrapolate x0 in log(b / c) and integrate exactly: 2M "taylor", and the correct 3M.  The first step, from T, is the one
that ``solve`` takes wherever a grid starts at alpha = 0.  Book: ``solvers/bridges``.  Paper: ``zheng2025dbim``.
"""

from dataclasses import dataclass

from workbench.solvers.ddim import DDIM
from workbench.solvers.interpolated import interpolated
from workbench.solvers.multistep import Multistep, Weights, check_order


@dataclass(frozen=True)
class DBIM(Multistep):
    """One evaluation a step: N + 1 for a grid from T over N further times to 0.

    Args:
        order: 1 to 3.
        eta: 0 (deterministic) to 1 (a Markov chain); order 1 only.
        final_order: order of the last planned step, or None (no descent).  The programs of the paper take the last step with order 1 and the
            one before with full order; on a grid that ends at 0 that is the finish of ``solve``, and None reproduces it.

    Raises:
        ValueError: for another order, eta outside [0, 1], noise above order 1, or a final_order below 1.
    """

    order: int = 2
    eta: float = 0.0
    final_order: int | None = None
    paper = "zheng2025dbim"

    def __post_init__(self) -> None:
        check_order(self.order, (1, 2, 3), self.final_order, "DBIM")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], got {self.eta}; 0 is deterministic, 1 is a Markov chain")
        if self.eta and self.order > 1:
            raise ValueError(f"DBIM of order {self.order} is deterministic, got eta={self.eta}; take order=1, or eta=0")

    @property
    def stochastic(self) -> bool:
        """Whether any noise is drawn."""
        return self.eta > 0

    @property
    def global_order(self) -> float:
        """The order, and at most 1 above that of the last step."""
        return self.order if self.final_order is None else min(self.order, self.final_order + 1)

    def points_at(self, i: int, steps: int) -> int:
        """How many answers step ``i`` combines: rising from 1, and ``final_order`` in the last step alone."""
        last = self.final_order if i == steps - 1 and self.final_order is not None else self.points
        return min(self.points, i + 1, last)

    def weights(self, schedule, past, s) -> Weights:
        """Weights of the polynomial through the last answers."""
        if len(past) > 1:
            return interpolated(schedule, past[0], s, past, "data")
        row = DDIM(self.eta).weights(schedule, past[0], s)
        return Weights(row.t, row.x, (row.data,), row.noise)
