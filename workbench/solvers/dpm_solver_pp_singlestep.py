"""DPM-Solver++(2S) and (3S): the singlestep methods on the data prediction.

Book: ``solvers/exponential``.  Paper: ``lu2022dpmpp``.
"""

from dataclasses import dataclass

from workbench.solvers.exponential import Face
from workbench.solvers.singlestep import Correction, Singlestep


@dataclass(frozen=True)
class DPMSolverPP2S(Singlestep):
    """Second order with two evaluations a step; r1 = 1/2 asks half-way in lambda and uses that answer alone.

    Args:
        face: the answer that is integrated; "noise" gives DPM-Solver-2.
        correction: "midpoint" or "taylor", see :class:`~workbench.solvers.DPMSolver`.
        r1: where the inner look is, 0 < r1 <= 1; 1/2 if None.

    Raises:
        ValueError: for another face, correction or ratio.
    """

    face: Face = "data"
    correction: Correction = "midpoint"
    r1: float | None = None
    order = 2
    paper = "lu2022dpmpp"
    other_names = ("DPM-Solver++(2S)", "DPM++ 2S", "DPMSolverSinglestepScheduler", "dpmpp_2s")


@dataclass(frozen=True)
class DPMSolverPP3S(Singlestep):
    """Third order with three evaluations a step.

    Args:
        face: the answer that is integrated; "noise" gives DPM-Solver-3.
        correction: "midpoint" or "taylor", see :class:`~workbench.solvers.DPMSolver`.
        r1, r2: where the inner looks are, 0 < r1 < r2 <= 1; 1/3 and 2/3 if None.

    Raises:
        ValueError: for another face, correction or ratio.
    """

    face: Face = "data"
    correction: Correction = "midpoint"
    r1: float | None = None
    r2: float | None = None
    order = 3
    paper = "lu2022dpmpp"
    other_names = ("DPM-Solver++(3S)", "DPM++ 3S", "dpmpp_3s")
