"""Richardson extrapolation inside the run: steps of a grid, and one long step across them, from the same start.

Let a method miss C e_i in the i-th of k steps and C E in one step across all of them: the same unknown C, numbers e_i and E that the grid
and the method give.  Both runs start from the same state, so their difference shows C, and what the k steps missed can be added:

    x = x_fine + w (x_fine - x_coarse),     w = e / (E - e),     e = sum_i a_i e_i,

a_i what later steps make of an error.  On k equal steps of a method of order p, e_i = (H / k)^(p + 1) and E = H^(p + 1), so that
w = 1 / (k^p - 1), the weight of the textbooks; on other grids the numbers e_i and E differ (see :mod:`workbench.solvers.defects`).

The long step asks for nothing that is known: its first answer is the first answer of the block, and the older answers of a multistep
method are the first answers of the blocks before.  So for a method of one evaluation a step the extrapolation costs no evaluation.

Book: ``solvers/richardson``.  Paper: ``choi2025rxdpm``, which extrapolates every few steps of a run; the weights here are derived anew.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.defects import as_rows, exact_below, face_of, moment_weight, power_weight, same_powers
from workbench.solvers.staged import NativeRows, Rows, ask_stages, combine


class Extrapolated(NamedTuple):
    """One step of the grid; where it closes a block, the step across the block and the weight of the difference.

    The block's end is fine + weight * (fine - coarse); ``opens`` is 1 where a block begins.
    """

    fine: Rows | NativeRows
    coarse: Rows | NativeRows | tuple[()]
    weight: float
    opens: int

    @property
    def t(self) -> float:
        """Where the step starts."""
        return self.fine.stages[0].t


class Memory(NamedTuple):
    """What the rest of a block needs: its first state, the first answers of the blocks, the last answers; newest first."""

    start: Tensor
    corners: tuple[Tensor, ...] = ()
    past: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Richardson(Solver):
    """Blocks of ``parts`` steps of ``base``, each extrapolated: one order more.

    What does not fill a block comes first, as steps of ``base`` alone, and so does the start of a multistep method.  The states
    within a block (``Solution.xs``, callbacks) are those of ``base``.

    Args:
        base: a deterministic method: one with stages (Runge-Kutta, DPM-Solver), or one exact for answers that are polynomials in lambda
            (DDIM, DPMSolverPP2M with "taylor", DPMSolverPP3M, DEIS with "log_rho").
        parts: k, how many steps make a block, at least 2.

    Raises:
        TypeError: for a base that is no solver.
        ValueError: for another base, or fewer than 2 parts.
    """

    base: Solver = DDIM()
    parts: int = 2
    paper = "choi2025rxdpm"
    other_names = ("RX-DPM", "RX-Euler", "local extrapolation")

    def __post_init__(self) -> None:
        if not isinstance(self.base, Solver):
            raise TypeError(f"base is a solver to be extrapolated, got {self.base!r}; take one of wb.solvers, such as DDIM()")
        if not (same_powers(self.base) or exact_below(self.base)):
            raise ValueError(
                f"what a step of {self.base!r} misses is not known up to one constant; extrapolate a deterministic Runge-Kutta method or "
                "DPMSolver, DDIM(), DPMSolverPP2M(correction='taylor'), DPMSolverPP3M() or DEIS(variable='log_rho'), or whole runs of any "
                "method with wb.solvers.extrapolated"
            )
        if isinstance(self.parts, bool) or not isinstance(self.parts, int) or self.parts < 2:
            raise ValueError(f"parts is the number of steps of a block, an int of at least 2; got {self.parts!r}")

    @property
    def order(self) -> float:
        """One more than the base's."""
        return self.base.global_order + 1

    @property
    def evaluations_per_step(self) -> int:
        """Those of the base; the step across a block has its own inner looks on top, see :meth:`evaluations`."""
        return self.base.evaluations_per_step

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """The base's, and for each block the looks of the long step but its first."""
        blocks = (steps - to_zero) // self.parts
        return self.base.evaluations(steps, to_zero=to_zero) + blocks * (self.base.evaluations_per_step - 1)

    def regular_ends(self, schedule) -> bool:
        """Where the base has them."""
        return self.base.regular_ends(schedule)

    def plan(self, schedule, grid) -> list[Extrapolated]:
        """The base's rows on the grid, and where a block ends its row on the grid of the blocks."""
        times, k = grid.tolist(), self.parts
        first = (len(times) - 1) % k
        if len(times) - 1 < k:
            return [Extrapolated(row, (), 0.0, 0) for row in self._rows(schedule, grid)]
        fine, corners = self._rows(schedule, grid), grid[first::k]
        coarse = self._rows(schedule, corners)
        rows = []
        for i, row in enumerate(fine):
            block, place = divmod(i - first, k)
            across, weight = (), 0.0
            if i >= first and place == k - 1:
                weight = self._weight(schedule, fine[i + 1 - k : i + 1], coarse[block], times[i::-1], corners.tolist()[block::-1])
                across = coarse[block] if weight else ()
            rows.append(Extrapolated(row, across, weight, int(i >= first and place == 0)))
        return rows

    def _rows(self, schedule, grid) -> list[Rows]:
        rows = self.base.plan(schedule, grid)
        if same_powers(self.base):
            return rows
        return [as_rows(self.base, ends, row) for ends, row in zip(pairwise(grid.tolist()), rows, strict=True)]

    def _weight(self, schedule, fine, coarse: Rows, past, corners) -> float:
        """That of a block; 0 while a multistep method has not all its answers."""
        if same_powers(self.base):
            return power_weight(self.base, schedule, [*(row.stages[0].t for row in fine), fine[-1].final.t])
        full = all(len(row.final.weights) == self.base.order for row in (*fine, coarse))
        return moment_weight(schedule, face_of(self.base), fine, coarse, past, corners) if full else 0.0

    def in_terms_of(self, predicts, rows, schedule) -> list[Extrapolated]:
        """The base's rows, rewritten as the base does; a block in which only some can be is left as it is."""
        if not same_powers(self.base):
            return rows
        fine = self.base.in_terms_of(predicts, [row.fine for row in rows], schedule)
        coarse = [self.base.in_terms_of(predicts, [row.coarse], schedule)[0] if row.coarse else () for row in rows]
        if len({row.face for row in (*fine, *filter(None, coarse))}) > 1:
            return rows
        return [row._replace(fine=f, coarse=c) for row, f, c in zip(rows, fine, coarse, strict=True)]

    def step(self, model, x: Tensor, row: Extrapolated, memory: Memory | None, draw) -> tuple[Tensor, Memory]:
        """A step of the base; at the end of a block the long step too, and the weighted difference."""
        ask, memory = getattr(model, row.fine.face or face_of(self.base)), memory or Memory(x)
        asked, seen = ask_stages(ask, x, row.fine.stages), int(self.base.order)
        past = (*asked, *memory.past)[: len(row.fine.final.weights)]
        start, corners = (x, (asked[0], *memory.corners)[:seen]) if row.opens else (memory.start, memory.corners)
        out = combine(x, row.fine.final, past)
        if row.coarse:
            answers = [corners[0]]
            for stage in row.coarse.stages[1:]:
                answers.append(ask(combine(start, stage, answers), stage.t))
            known = (*answers, *corners[1:])[: len(row.coarse.final.weights)]
            out = out.lerp(combine(start, row.coarse.final, known), -row.weight)
        return out, Memory(start, corners, () if len(asked) > 1 else past[: seen - 1])
