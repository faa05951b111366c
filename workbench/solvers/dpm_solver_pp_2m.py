"""DPM-Solver++(2M): replace the model's answer by the line through its last two values, and integrate that exactly.

    data:   x_s = (sigma_s / sigma_t) x_t + alpha_s h (phi_1(-h) m + c D),      D = (h / h_before) (m - m_before),

with c = phi_1(-h) / 2 ("midpoint", the published default) or c = phi_2(-h) ("taylor", the exact integral of the line).  In noise form
the first two weights are alpha_s / alpha_t and -sigma_s, and -h becomes h.  Both are second order; they differ by O(h^3) a step.

Book: ``solvers/multistep``.  Paper: ``lu2022dpmpp``.
"""

from dataclasses import dataclass
from typing import Literal

from workbench.solvers.exponential import Face, check_face
from workbench.solvers.interpolated import interpolated
from workbench.solvers.multistep import Multistep, Weights, check_order


@dataclass(frozen=True)
class DPMSolverPP2M(Multistep):
    """Second order, one evaluation a step; the first step is DDIM because it has no past.

    Args:
        correction: "midpoint" or "taylor", see above.
        face: the answer that is extrapolated; "noise" is the multistep DPM-Solver-2.
        final_order: order of the last planned step, or None (2).

    Raises:
        ValueError: for another correction or face, or a final_order below 1.
    """

    correction: Literal["midpoint", "taylor"] = "midpoint"
    face: Face = "data"
    final_order: int | None = None
    order = 2
    paper = "lu2022dpmpp"
    other_names = ("DPM-Solver++(2M)", "DPM++ 2M", "DPMSolverMultistepScheduler", "dpmpp_2m", "k_dpmpp_2m", "sample_dpmpp_2m")

    def __post_init__(self) -> None:
        check_face(self.face)
        check_order(self.order, (2,), self.final_order, "DPMSolverPP2M")
        if self.correction not in ("midpoint", "taylor"):
            raise ValueError(f"correction must be 'midpoint' or 'taylor', got {self.correction!r}")

    def weights(self, schedule, past, s) -> Weights:
        """Weights of the line through the last two answers."""
        variant = "B2" if self.correction == "midpoint" else "varying"
        return interpolated(schedule, past[0], s, past, self.face, variant=variant)
