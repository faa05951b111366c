"""DPM-Solver: exponential Runge-Kutta in lambda; orders 1 (DDIM), 2 and 3 for as many evaluations a step.

Book: ``solvers/exponential``.  Paper: ``lu2022dpmsolver``.
"""

from dataclasses import dataclass

from workbench.solvers.exponential import Face
from workbench.solvers.singlestep import Correction, Singlestep


@dataclass(frozen=True)
class DPMSolver(Singlestep):
    """Singlestep exponential Runge-Kutta: ``order`` looks, no memory of earlier steps.

    Order 2 with r1 = 1/2 is what k-diffusion calls dpm_2.  In data form the same steps are DPM-Solver++(2S) and (3S).

    Args:
        order: 1, 2 or 3.
        face: the answer that is integrated; "noise" is the paper's.
        correction: "midpoint" (differences of answers; published) or "taylor" (the polynomial through them, integrated exactly).
        r1, r2: where inside a step the model is asked, as parts of the step in lambda; 1/2 (order 2), 1/3 and 2/3 (order 3) if None.

    Raises:
        ValueError: for another order, face or correction, or ratios that are not 0 < r1 < r2 <= 1, or r1 = 2/3 at order 3 (no g exists for it).
    """

    order: int = 3
    face: Face = "noise"
    correction: Correction = "midpoint"
    r1: float | None = None
    r2: float | None = None
    paper = "lu2022dpmsolver"
    other_names = ("DPM-Solver-2", "DPM-Solver-3", "DPM2", "KDPM2DiscreteScheduler", "k_dpm_2", "sample_dpm_2")
