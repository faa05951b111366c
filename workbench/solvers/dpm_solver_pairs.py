"""Two answers for the price of one: a step of DPM-Solver and, from the same looks, one of an order less.

Their difference estimates the error of the lower one; ``wb.solve_adaptive`` chooses its steps by it.

Book: ``solvers/exponential``.  Paper: ``lu2022dpmsolver``.
"""

from dataclasses import dataclass
from typing import NamedTuple

from workbench.schedules import Schedule
from workbench.solvers.exponential import Face, check_face
from workbench.solvers.singlestep import RATIOS, singlestep
from workbench.solvers.staged import Stage


class Paired(NamedTuple):
    """The looks of a step; its result; and the result of the lower order, from the first looks alone."""

    stages: tuple[Stage, ...]
    high: Stage
    low: Stage


class Pair:
    """Base of the embedded pairs; a subclass names the ``order`` of its better half.

    Attributes:
        order: of the result that is kept; the error estimate belongs to ``order - 1``.
        face: the answer that is integrated.
        stochastic: False.
        paper: bib key.
        other_names: what papers and programs call it.
    """

    order: int
    face: Face
    stochastic = False
    paper = "lu2022dpmsolver"
    other_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_face(self.face)

    def paired(self, schedule: Schedule, t, s) -> Paired:
        """Both steps from t to s, two times or two (batch,) tensors of times."""
        row = singlestep(schedule, t, s, self.order, self.face)
        low = self.order - 1
        r1 = RATIOS[self.order][0] if low > 1 else None
        return Paired(row.stages, row.final, singlestep(schedule, t, s, low, self.face, r1=r1).final)

    def regular_ends(self, schedule: Schedule) -> bool:
        """Whether both singular ends can be integrated to: never, in lambda."""
        return False


@dataclass(frozen=True)
class DPMSolver12(Pair):
    """DPM-Solver-2 (r1 = 1/2) watched over by DDIM.

    Raises:
        ValueError: for another face.
    """

    face: Face = "noise"
    order = 2
    other_names = ("DPM-Solver-12",)


@dataclass(frozen=True)
class DPMSolver23(Pair):
    """DPM-Solver-3 (r1 = 1/3, r2 = 2/3) watched over by DPM-Solver-2 with r1 = 1/3.

    Raises:
        ValueError: for another face.
    """

    face: Face = "noise"
    order = 3
    other_names = ("DPM-Solver-23", "DPM adaptive", "k_dpm_ad", "sample_dpm_adaptive")
