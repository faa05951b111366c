"""DC-Solver: UniPC that moves its newest answer to another time before it predicts.

The state at t_i is a prediction, so the model's answer there is news about the wrong place.  Before the step, the answer is replaced
by the value of the polynomial through the last K + 1 answers at

    t~ = t_{i-1} + rho_i (t_i - t_{i-1}),        m~ = sum_k L_k(t~) m_{i-k},

and the replaced answer is remembered in its place.  rho = 1 leaves the answer alone: UniPC.  One number for each step, chosen for a
model, a grid and a number of steps (:func:`workbench.search.compensation`).  Interpolation is linear, so a plan is a table again, with
one more row of weights for each step: those of the answer that is kept.

Book: ``solvers/dc_solver``.  Paper: ``zhao2024dcsolver``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers import lagrange
from workbench.solvers.exponential import Face
from workbench.solvers.interpolated import Variant
from workbench.solvers.multistep import Multistep
from workbench.solvers.unipc import UniPC


class Compensated(NamedTuple):
    """x_s = x * x_t + sum_j past[j] * answer_j; the answer at t comes first, the older ones are those that were kept.

    What is kept of the answer at t is sum_j kept[j] * answer_j.
    """

    t: float
    x: float
    past: tuple[float, ...]
    kept: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class DCSolver(Multistep):
    """UniPC with one ratio rho for each planned step; rho = 1 everywhere is UniPC itself, number by number.

    The ratios belong to one model, one grid and one number of steps, so a method with other ratios than 1 has no order of its own: with
    the same rho != 1 in every step the answers are off by O(h), and the order is 1.

    Args:
        ratios: rho for every planned step (a finish at t = 0 and a start at alpha = 0 are not planned), or one number for all.  The
            first step has no other answer to interpolate with: its ratio changes nothing.
        order: p of the UniPC below, 1 to 4; 2 as published.
        through: through how many answers the polynomial goes (K + 1), 2 to 4; fewer while there are fewer.
        clock: the variable of the polynomial: "t" as published, or "lambda".
        variant, corrector_from, face, final_order: of the UniPC below; no correction of the first step, as published.

    Raises:
        ValueError: for ratios that are not finite, another clock, fewer than 2 or more than 4 answers, or what UniPC refuses; from
            ``plan``, for another number of ratios than of planned steps.
    """

    ratios: float | tuple[float, ...] = 1.0
    order: int = 2
    through: int = 3
    clock: Literal["t", "lambda"] = "t"
    variant: Variant = "B2"
    corrector_from: int = 1
    face: Face = "data"
    final_order: int | None = None
    paper = "zhao2024dcsolver"
    other_names = ("DC-Solver", "DCSolverMultistepScheduler")

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratios", _checked(self.ratios))
        if self.clock not in ("t", "lambda"):
            raise ValueError(f"clock must be 't' (as published) or 'lambda', got {self.clock!r}")
        if isinstance(self.through, bool) or self.through not in (2, 3, 4):
            raise ValueError(f"the polynomial goes through 2, 3 (as published) or 4 answers, got {self.through!r}")
        self.unipc  # noqa: B018  it checks the rest

    @property
    def unipc(self) -> UniPC:
        """The method that all ratios equal to 1 leave."""
        return UniPC(self.order, self.variant, True, self.corrector_from, self.face, self.final_order)

    @property
    def points(self) -> int:
        """How many answers an ordinary step combines."""
        return max(self.unipc.points, self.through)

    @property
    def global_order(self) -> int:
        """UniPC's where no answer is moved, else 1."""
        ratios = self.ratios if isinstance(self.ratios, tuple) else (1.0, self.ratios)
        return self.unipc.global_order if all(ratio == 1 for ratio in ratios[1:]) else 1

    def weights(self, schedule, past, s):
        """UniPC's prediction."""
        return self.unipc.weights(schedule, past, s)

    def ratios_of(self, steps: int) -> tuple[float, ...]:
        """One ratio for each of so many planned steps.

        Raises:
            ValueError: for a tuple of another length.
        """
        if not isinstance(self.ratios, tuple):
            return (self.ratios,) * steps
        if len(self.ratios) != steps:
            raise ValueError(
                f"the solver holds {len(self.ratios)} ratios and the grid has {steps} planned steps; ratios are chosen for one grid: "
                "take that grid, or search again with wb.search.compensation"
            )
        return self.ratios

    def kept(self, schedule: Schedule, seen: Sequence[float], ratio: Any) -> tuple:
        """The weights of the answers at the times ``seen``, newest first, in the answer that is kept.

        ``ratio`` is a float, or a 0-dimensional tensor for tensors of weights.
        """
        clock = schedule.log_snr if self.clock == "lambda" else float
        places = [clock(t) for t in seen[: self.through]]
        if len(places) == 1 or (isinstance(ratio, float) and ratio == 1):
            return (1.0,)
        unit = places[0] - places[1]
        return lagrange.weights([(place - places[0]) / unit for place in places], [(ratio - 1) ** k for k in range(len(places))])

    def plan(self, schedule: Schedule, grid: Float[Tensor, "points"]) -> list[Compensated]:
        """UniPC's rows, with the moved answer in the place of the newest."""
        times, unipc, rows = grid.tolist(), self.unipc, []
        plain = unipc.plan(schedule, grid)
        for i, (row, ratio) in enumerate(zip(plain, self.ratios_of(len(plain)), strict=True)):
            seen, past = times[i::-1], row.past
            kept = self.kept(schedule, seen, ratio)
            if kept != (1.0,):
                newest = unipc.weights(schedule, seen[: unipc.points_at(i, len(plain))], times[i + 1]).past[0]
                moved = zip_longest(past, kept, (1.0,), fillvalue=0.0)
                past = tuple(weight + newest * (own - plain_own) for weight, own, plain_own in moved)
            rows.append(Compensated(row.t, row.x, past, kept))
        return rows

    def step(
        self, model, x: Tensor, row: Compensated, memory: tuple[Tensor, ...] | None, draw
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One multiply-add for each answer, and as many for the answer that is kept where it is not the answer itself."""
        now = model.data(x, row.t) if self.face == "data" else model.noise(x, row.t)
        answers = (now, *memory) if memory else (now,)
        out = row.x * x
        for weight, answer in zip(row.past, answers, strict=False):
            out.add_(answer, alpha=weight)
        if row.kept != (1.0,):
            now = row.kept[0] * now
            for weight, answer in zip(row.kept[1:], answers[1:], strict=False):
                now.add_(answer, alpha=weight)
        return out, (now, *answers[1 : self.points - 1])


def _checked(ratios: Any) -> float | tuple[float, ...]:
    single = isinstance(ratios, int | float)
    try:
        values = (float(ratios),) if single else tuple(float(ratio) for ratio in ratios)
    except (TypeError, ValueError) as error:
        raise ValueError(f"ratios are one number, or one for each planned step, got {ratios!r}") from error
    if isinstance(ratios, bool) or not values or not all(map(math.isfinite, values)):
        raise ValueError(f"ratios are finite numbers, one for each planned step or one for all, got {ratios!r}; 1 changes nothing")
    return values[0] if single else values
