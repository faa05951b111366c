"""DualFast, as it is told: lean the noise prediction away from an older one, which is believed to be better.

    noise(x_t, t)  <-  (1 + c_t) noise(x_t, t) - c_t noise(x_tau, tau),       tau an earlier, noisier time of the same run,

in the first-order term of a solver: x_s changes by -sigma_s h phi_1(h) c_t (noise(x_t, t) - noise(x_tau, tau)), h = lambda_s - lambda_t.

**This formula reached us second-hand.**  The paper's choice of c_t and of tau we have not seen; those offered here are ours, and no
result with them is a reproduction.  What we do know is measured and tested: around DDIM, with tau the previous step and c = 1/2, this
is iPNDM of order 2, number by number; with another constant c it is of order 1, with the error of DDIM times about 1 - 2 c; with tau
at the start of the run it does not converge, whatever the model.

Book: ``solvers/two_kinds_of_error``.  Paper: ``yu2025dualfast``.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from torch import Tensor

from workbench.denoiser import Denoiser, combine, conversion
from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.exponential import exact_step


class Row(NamedTuple):
    """A row of the inner solver, the time at which it starts, and the weight of the difference of two noise predictions."""

    t: float
    weight: float
    inner: Any


@dataclass(frozen=True)
class DualFast(Solver):
    """A deterministic solver, leaned away from an older noise prediction; no further evaluations.

    The noise prediction used is the first of the step, at its start.  The first step has no past and is the solver's own.

    Args:
        solver: whose first-order term is changed.
        c: how strongly, in the end or throughout.
        tau: which prediction is older: "previous", of the step before, or "first", of the start of the run.
        growth: of c_t with falling t: "linear", c times the part of the grid's range of t already covered (0 at the start, as is
            said of the paper), or "constant".

    Raises:
        TypeError: for a solver that is none.
        ValueError: for a stochastic solver, a c that is not finite, or an unknown word.
    """

    solver: Solver = DDIM()
    c: float | int = 0.3
    tau: Literal["previous", "first"] = "previous"
    growth: Literal["linear", "constant"] = "linear"
    order = 1
    paper = "yu2025dualfast"

    def __post_init__(self) -> None:
        if not isinstance(self.solver, Solver):
            raise TypeError(f"DualFast works around a solver such as DDIM(), got {self.solver!r}")
        if self.solver.stochastic:
            raise ValueError(f"{type(self.solver).__name__} draws noise here; DualFast is said of deterministic solvers")
        if self.tau not in ("previous", "first") or self.growth not in ("linear", "constant"):
            raise ValueError(f"tau is 'previous' or 'first', growth 'linear' or 'constant'; got {self.tau!r} and {self.growth!r}")
        if not abs(self.c) < float("inf"):
            raise ValueError(f"c must be a finite number, got {self.c!r}; 0 is the solver itself, 1/2 the Adams method")

    @property
    def global_order(self) -> float:
        """0 with tau at the start of the run; around DDIM 2 at a constant 1/2; else 1."""
        if self.c == 0:
            return self.solver.global_order
        if self.tau == "first":
            return 0
        return 2 if self.solver == DDIM() and self.c == 0.5 and self.growth == "constant" else 1

    @property
    def evaluations_per_step(self) -> int:
        """Those of the solver."""
        return self.solver.evaluations_per_step

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """Those of the solver: none are added."""
        return self.solver.evaluations(steps, to_zero=to_zero)

    def strength(self, t: float, start: float, stop: float) -> float:
        """c_t on a grid from ``start`` to ``stop``."""
        return self.c if self.growth == "constant" else self.c * (start - t) / (start - stop)

    def plan(self, schedule, grid) -> list[Row]:
        """The solver's plan, and how much of the difference is added to each step but the first."""
        times, rows = grid.tolist(), []
        for i, ((t, s), inner) in enumerate(zip(pairwise(times), self.solver.plan(schedule, grid), strict=True)):
            euler = exact_step(schedule, t, s, "noise", 1).derivatives[0]
            rows.append(Row(t, euler * self.strength(t, times[0], times[-1]) if i else 0.0, inner))
        return rows

    def step(self, model, x: Tensor, row: Row, memory: tuple[Any, Tensor] | None, draw) -> tuple[Tensor, tuple[Any, Tensor]]:
        """The solver's step, and one difference more."""
        inner, older = memory or (None, None)
        overheard = _Overheard(model)
        out, inner = self.solver.step(overheard, x, row.inner, inner, draw)
        if row.weight:
            out = out.add(overheard.first - older, alpha=row.weight)
        return out, (inner, overheard.first if older is None or self.tau == "previous" else older)


class _Overheard(Denoiser):
    """A model whose first answer is kept, as a noise prediction."""

    def __init__(self, model) -> None:
        self.model, self.schedule, self.predicts, self.first = model, model.schedule, model.predicts, None

    def predict(self, x: Tensor, t: float) -> Tensor:
        """The native face."""
        return self.face(self.predicts, x, t)

    def face(self, target: str, x: Tensor, t: float) -> Tensor:
        """The model's own answer."""
        answer = getattr(self.model, target)(x, t)
        if self.first is None:
            self.first = answer if target == "noise" else combine(conversion(self.schedule, target, "noise", t), x, answer)
        return answer
