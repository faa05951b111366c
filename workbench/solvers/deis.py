"""DEIS: extrapolate the predicted noise by a polynomial through its last values, in t, in rho or in log rho.

    x_s = (alpha_s / alpha_t) x_t + alpha_s sum_j noise_j * integral of L_j(u(rho)) drho      (rho from rho_t to rho_s)

with L_j the Lagrange polynomials in u through the times of the answers.  u = rho is the linear multistep method of classical
numerics; u = log rho is the exponential integrator of DPM-Solver; u = t is the paper's own choice ("tAB").

Book: ``solvers/multistep``.  Paper: ``zhang2023deis``.
"""

from dataclasses import dataclass
from typing import Literal

from workbench.solvers.adams import in_rho, in_time
from workbench.solvers.interpolated import interpolated
from workbench.solvers.multistep import Multistep, Weights, check_order

Variable = Literal["t", "rho", "log_rho"]


@dataclass(frozen=True)
class DEIS(Multistep):
    """``order`` answers combined, one evaluation a step; order 1 is DDIM.  (The paper counts from 0: its tAB3 is ``order=4``.)

    With variable="t" the order needs a schedule that is smooth in t.  :class:`~workbench.schedules.DiscreteVP` has a kink at every
    level: once a step crosses only a few levels, orders above 2 fall below 2 there, however exact the weights.

    Args:
        order: how many answers are combined, 1 to 4; also the order of the error.
        variable: what the polynomial is in: "t", "rho" (sigma / alpha) or "log_rho" (minus the log-SNR).
        final_order: order of the last planned step, or None (``order``).

    Raises:
        ValueError: for another order or variable, or a final_order below 1.
    """

    order: int = 3
    variable: Variable = "t"
    final_order: int | None = None
    face = "noise"
    paper = "zhang2023deis"
    other_names = ("tAB-DEIS", "rhoAB-DEIS", "DEISMultistepScheduler")

    def __post_init__(self) -> None:
        check_order(self.order, (1, 2, 3, 4), self.final_order, "DEIS")
        if self.variable not in ("t", "rho", "log_rho"):
            raise ValueError(f"variable must be 't', 'rho' or 'log_rho' (what the polynomial is in), got {self.variable!r}")

    def weights(self, schedule, past, s) -> Weights:
        """Weights of the polynomial in the chosen variable."""
        if self.variable == "log_rho":
            return interpolated(schedule, past[0], s, past, self.face)
        return in_time(schedule, past, s) if self.variable == "t" else in_rho(schedule, past, s)
