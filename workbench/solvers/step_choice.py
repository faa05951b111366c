"""What one step of a solver may choose, and what it does with less than it asked for.

A step of the flow is known but for one integral (:mod:`workbench.solvers.exponential`).  To take it, a solver chooses a face of the
model, the state it starts from, how many terms of the Taylor series of the answer it keeps, which remembered answers estimate each
derivative, how strongly it believes the first one, and whether it corrects.  :class:`StepChoice` is such a list of choices.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal

from workbench.solvers.interpolated import Variant

FACES = ("data", "noise", "v3")
CORRECTORS = ("none", "pseudo", "implicit")
NAMED = ("B1", "B2", "varying")


@dataclass(frozen=True)
class StepChoice:
    """The choices of one step, from a state that is known to the next time of the grid.

    Answers are counted by age: 0 is the answer at the time where the step is taken, 1 the one before it, and so on.

    Args:
        face: which answer is expanded: "data", "noise", or "v3", the face that the model's statistics choose (DPM-Solver-v3).
        start: the age of the state from which the step is taken; 0 is the newest.  A larger one makes the times in between the inner
            looks of a singlestep method.
        order: how many Taylor terms of the answer are kept, 1 to 4: the answer at the start, its first derivative, ...
        uses: for each derivative the ages of the answers that estimate it, beside the one at the start: at least k for the k-th.  None
            lets all derivatives use the ``order - 1`` newest.
        relaxation: c of the factor 1 + c h on the first derivative, h the step in log-SNR; or a name, "B1" or "B2" (also known as the
            midpoint form), for the factors of the published codes, which act where the first derivative is the only one.
        curvature: factor of the prediction's second derivative; 1/2 is what the public codes of DPM-Solver++(3M) have.
        corrector: "none"; "pseudo", which repairs the step with the answer that the next one needs anyway; "implicit", which asks once
            more at the corrected state, so that the step costs two evaluations.
        corrector_order: Taylor terms of the correction, 2 to 5 (or 1); None is ``order + 1``.
        corrector_relaxation: as ``relaxation``, for the correction.

    Raises:
        ValueError: for a face, corrector or relaxation that does not exist, or numbers out of range.
    """

    face: Literal["data", "noise", "v3"] = "data"
    start: int = 0
    order: int = 1
    uses: tuple[tuple[int, ...], ...] | None = None
    relaxation: float | Variant = 0.0
    curvature: float = 1.0
    corrector: Literal["none", "pseudo", "implicit"] = "none"
    corrector_order: int | None = None
    corrector_relaxation: float | Variant = 0.0

    def __post_init__(self) -> None:
        for what, value, allowed in (("face", self.face, FACES), ("corrector", self.corrector, CORRECTORS)):
            if value not in allowed:
                raise ValueError(f"{what} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
        for what, value in (("relaxation", self.relaxation), ("corrector_relaxation", self.corrector_relaxation)):
            if value not in NAMED and not _finite(value):
                raise ValueError(f"{what} is a finite number c of 1 + c h, or one of 'B1', 'B2', 'varying'; got {value!r}")
            if self.face == "v3" and value in ("B1", "B2"):
                raise ValueError(f"{what}={value!r} belongs to the data and noise faces; with face='v3' give a number c of 1 + c h")
        if not _finite(self.curvature):
            raise ValueError(f"curvature is a factor of the second derivative, a finite number; got {self.curvature!r}")
        if not _whole(self.order) or not 1 <= self.order <= 4:
            raise ValueError(f"order is the number of Taylor terms, 1 to 4; got {self.order!r}")
        if not _whole(self.start) or self.start < 0:
            raise ValueError(f"start is the age of a state, 0 for the newest; got {self.start!r}")
        most = self.corrector_order
        if most is not None and not (_whole(most) and 1 <= most <= 5):
            raise ValueError(f"corrector_order is the number of Taylor terms of the correction, 1 to 5 or None; got {most!r}")
        self._check_uses()

    def _check_uses(self) -> None:
        if self.uses is None:
            return
        if len(self.uses) != self.order - 1:
            raise ValueError(
                f"order {self.order} has {self.order - 1} derivative(s) to estimate, uses has {len(self.uses)} entries"
            )
        for k, ages in enumerate(self.uses, 1):
            whole = all(_whole(age) and age >= 0 for age in ages)
            if not whole or len(set(ages)) != len(ages) or len(ages) < k or self.start in ages:
                raise ValueError(
                    f"derivative {k} needs at least {k} different ages other than {self.start}, that of the start; got {ages}"
                )

    def estimators(self) -> tuple[tuple[int, ...], ...]:
        """The ages that estimate each derivative."""
        if self.uses is not None:
            return self.uses
        newest = tuple(age for age in range(self.order) if age != self.start)[: self.order - 1]
        return (newest,) * (self.order - 1)

    def within(self, past: int) -> "StepChoice":
        """The same choices where no more than ``past`` answers are older than the newest: what does not exist yet is left out.

        The start moves to the oldest state there is; ages beyond ``past`` are dropped, and with them the derivatives that are left
        with too few.  So orders rise from 1 at the beginning of a run.
        """
        start, order = min(self.start, past), min(self.order, past + 1)
        if self.uses is None:
            return replace(self, start=start, order=order)
        kept = [tuple(age for age in ages if age <= past and age != start) for ages in self.uses]
        enough = next((k for k, ages in enumerate(kept, 1) if len(ages) < k), len(kept) + 1)
        return replace(self, start=start, order=enough, uses=tuple(kept[: enough - 1]))

    def correcting(self, past: int) -> tuple[int, ...]:
        """The ages that the correction uses beside the start: -1, the new answer, then those of the prediction and the newest others."""
        most = (self.order + 1 if self.corrector_order is None else self.corrector_order) - 1
        known = dict.fromkeys(age for ages in self.estimators() for age in ages)
        known |= dict.fromkeys(age for age in range(past + 1) if age != self.start)
        return (-1, *known)[: max(most, 0)]


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
