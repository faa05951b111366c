"""DPM-Solver++(3M): the parabola through the last three answers, integrated exactly; and the published form of it.

    data:   x_s = (sigma_s / sigma_t) x_t + alpha_s h (phi_1(-h) m + phi_2(-h) h m' + phi_3(-h) h^2 m''),

with m', m'' the derivatives in lambda, at t, of the parabola through m, m_1, m_2.  In noise form the first two weights are
alpha_s / alpha_t and -sigma_s, and -h becomes h.  With the divided differences D_0 = m[0, 1] and D_1 = m[1, 2],

    m'' = 2 (D_0 - D_1) / (lambda_t - lambda_2).

The public codes have this without the 2, so they integrate the constant and linear parts in full and half of the quadratic part:
a method of second order, whose error on small steps is a fifth of 2M's (h^3 m'' / 12 a step against 5 h^3 m'' / 12).  On few or strongly
guided steps it can even beat the correct one, because it extrapolates less.

Book: ``solvers/multistep``.  Paper: ``lu2022dpmpp``.
"""

from dataclasses import dataclass

from workbench.solvers.exponential import Face, check_face
from workbench.solvers.interpolated import interpolated
from workbench.solvers.multistep import Multistep, Weights, check_order


@dataclass(frozen=True)
class DPMSolverPP3M(Multistep):
    """Third order, one evaluation a step; the first step is DDIM, the second integrates a line.

    Args:
        published: leave the factor 2 out, as the public codes do (then second order, and the second step is 2M's midpoint form).
        face: the answer that is extrapolated; "noise" is the multistep DPM-Solver-3.
        final_order: order of the last planned step, or None (3).

    Raises:
        ValueError: for another face, or a final_order below 1.
    """

    published: bool = False
    face: Face = "data"
    final_order: int | None = None
    order = 3
    paper = "lu2022dpmpp"
    other_names = ("DPM-Solver++(3M)", "DPM++ 3M", "dpmpp_3m")

    def __post_init__(self) -> None:
        check_face(self.face)
        check_order(self.order, (3,), self.final_order, "DPMSolverPP3M")

    @property
    def global_order(self) -> float:
        """3, and 2 as published."""
        return 2 if self.published else 3

    def weights(self, schedule, past, s) -> Weights:
        """Weights of the parabola through the last three answers."""
        variant, curvature = ("B2", 0.5) if self.published else ("varying", 1.0)
        return interpolated(schedule, past[0], s, past, self.face, variant=variant, curvature=curvature)
