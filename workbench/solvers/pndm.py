"""PNDM (also F-PNDM): iPNDM of order 4 that gathers its past by three pseudo-Runge-Kutta steps.

Pseudo: a classical method in which "go from t to s along the slope e" is the DDIM map x -> (alpha_s / alpha_t) x - sigma_s h phi_1(h) e.

    e_1 at t,   e_2 at m from e_1,   e_3 at m from e_2,   e_4 at s from e_3,     m = (t + s) / 2,
    x_s by the map with (e_1 + 2 e_2 + 2 e_3 + e_4) / 6;  e_1 is what later steps remember.

Every stage starts again from x_t.  m is half-way in the schedule's own t, as the paper's is in the time index (where its code
rounds down to a level that exists, ``DiscreteVP`` stays half-way).  Four evaluations for each of the first three steps: N + 9 for N
steps.  A run of fewer than four steps is Runge-Kutta throughout, 4 N evaluations.  The order of the whole is 2, as for iPNDM.

Book: ``solvers/pndm``.  Paper: ``liu2022pndm``.
"""

from dataclasses import dataclass
from itertools import islice, pairwise

from torch import Tensor

from workbench.solvers.exponential import exact_step
from workbench.solvers.ipndm import ClassicalAdams
from workbench.solvers.multistep import Weights
from workbench.solvers.rk4 import RK4
from workbench.solvers.runge_kutta import Tableau
from workbench.solvers.staged import Rows, Stage, ask_stages, combine


class PseudoStart(ClassicalAdams):
    """Base of the pseudo-numerical methods whose first steps have several stages; a subclass gives their tableau and number."""

    start: Tableau
    start_steps: int
    paper = "liu2022pndm"

    def plan(self, schedule, grid) -> list[Rows | Weights]:
        """Stages for the first steps, one weighted sum for every other."""
        first = [self._stages(schedule, t, s) for t, s in islice(pairwise(grid.tolist()), self.start_steps)]
        return [*first, *super().plan(schedule, grid)[len(first) :]]

    def _stages(self, schedule, t: float, s: float) -> Rows:
        every = [*zip(self.start.nodes, self.start.stages, strict=True), (1.0, self.start.weights)]
        *stages, final = (self._stage(schedule, t, s, node, weights) for node, weights in every)
        return Rows(1.0, 0.0, tuple(stages), final)

    def _stage(self, schedule, t: float, s: float, node: float, weights: tuple[float, ...]) -> Stage:
        """The DDIM map from t to the node's time, with the mean of the answers that the tableau asks for."""
        if node == 0:
            return Stage(t, 1.0, ())
        exact = exact_step(schedule, t, time := s if node == 1 else t + node * (s - t), self.face, 1)
        return Stage(time, exact.x, tuple(exact.derivatives[0] * weight / node for weight in weights))

    def step(self, model, x: Tensor, row: Rows | Weights, memory: tuple[Tensor, ...] | None, draw):
        """Either kind of step; both remember the answer at their start."""
        if isinstance(row, Weights):
            return super().step(model, x, row, memory, draw)
        answers = ask_stages(model.noise, x, row.stages)
        return combine(x, row.final, answers), (answers[0], *(memory or ()))[: self.points - 1]

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """One a step, and the further stages of the first ``start_steps`` planned ones."""
        more = (len(self.start.nodes) - 1) * min(self.start_steps, steps - to_zero)
        return super().evaluations(steps, to_zero=to_zero) + more


@dataclass(frozen=True)
class PNDM(PseudoStart):
    """Three steps of pseudo-Runge-Kutta, then Adams-Bashforth of order 4: N + 9 evaluations for N >= 3 planned steps."""

    order = 4
    start = RK4.tableau
    start_steps = 3
    other_names = ("F-PNDM", "PNDMScheduler")
