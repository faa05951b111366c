"""UniPC-p: a predictor of order p (UniP-p) and a corrector of order p + 1 (UniC-p) for the price of the predictor.

The published form writes a step by differences D_k = (m_k - m_0) / r_k, r_k = (lambda_k - lambda_t) / h, with weights rho from

    sum_k rho_k r_k^(j-1) = j! h phi_{j+1} / B(h),     j = 1, 2, ...

and any function B(h) = h + O(h^2).  Since the sum of the rho_k D_k is multiplied by B(h) again, B cancels wherever the system is solved:
what remains is the polynomial through the p (UniC: p + 1) answers, integrated exactly.  B is felt only where the published code does
not solve it but puts rho = 1/2: in UniP-2 and UniC-1, the formulas with two points (:mod:`workbench.solvers.interpolated`).

Book: ``solvers/predictor_corrector``.  Paper: ``zhao2023unipc``.
"""

from dataclasses import dataclass

from workbench.solvers.exponential import Face, check_face
from workbench.solvers.interpolated import Variant
from workbench.solvers.multistep import check_order
from workbench.solvers.predictor_corrector import PredictorCorrector


@dataclass(frozen=True)
class UniPC(PredictorCorrector):
    """Order p + 1 with p answers a prediction and one evaluation a step; without the corrector order p.

    Args:
        order: p, 1 to 4; orders rise from 1 at the start.
        variant: "B1", "B2" (the published B(h)) or "varying" (the varying coefficients: every system is solved).  The public code of
            the varying corrector gives the new answer to the highest derivative alone, which leaves order 1; this is the formula of the
            paper.
        corrector: whether to correct.
        corrector_from: the first step (from 0) whose result is corrected.
        face: the answer that is interpolated.
        final_order: order of the last planned prediction, or None; ``solve``'s finish at t = 0 follows it.

    Raises:
        ValueError: for another order, variant or face, a final_order below 1 or a negative corrector_from.
    """

    order: int = 3
    variant: Variant = "B2"
    corrector: bool = True
    corrector_from: int = 0
    face: Face = "data"
    final_order: int | None = None
    paper = "zhao2023unipc"
    other_names = ("UniP", "UniC", "UniPCMultistepScheduler", "uni_pc", "uni_pc_bh2")

    def __post_init__(self) -> None:
        check_face(self.face)
        check_order(self.order, (1, 2, 3, 4), self.final_order, "UniPC")
        if self.variant not in ("B1", "B2", "varying"):
            raise ValueError(f"variant must be 'B1', 'B2' or 'varying', got {self.variant!r}")
        if isinstance(self.corrector_from, bool) or self.corrector_from < 0:
            raise ValueError(
                f"corrector_from is the first step whose result is corrected, at least 0, got {self.corrector_from!r}; "
                "for no correction at all take corrector=False"
            )

    @property
    def global_order(self) -> int:
        """p + 1: each correction repairs the prediction before it."""
        return self.order + self.corrector

    @property
    def corrector_points(self) -> int:
        """p old answers and the new one."""
        return self.order + 1 if self.corrector else 0

    def corrector_points_at(self, i: int, steps: int) -> int:
        """None before ``corrector_from``."""
        return super().corrector_points_at(i, steps) if i >= self.corrector_from else 0
