"""The step that DDIM and DDPM share: one look at the model, then a weighted sum of state, data prediction and fresh noise."""

from abc import abstractmethod
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.base import Solver


class Weights(NamedTuple):
    """One step, x_s = x * x_t + data * data_t + noise * z (float64 scalars)."""

    t: float
    x: float
    data: float
    noise: float


class OneLook(Solver):
    """First-order solvers with one evaluation a step; a subclass says how they are weighed."""

    order = 1
    evaluations_per_step = 1

    @abstractmethod
    def weights(self, schedule: Schedule, t: float, s: float) -> Weights:
        """The step from t to s."""

    def plan(self, schedule, grid) -> list[Weights]:
        """The weights of all steps."""
        return [self.weights(schedule, t, s) for t, s in pairwise(grid.tolist())]

    def step(self, model, x: Tensor, row: Weights, memory, draw) -> tuple[Tensor, None]:
        """Two multiply-adds, and one more where noise is drawn."""
        out = (row.x * x).add_(model.data(x, row.t), alpha=row.data)
        return (out.add_(draw(x), alpha=row.noise) if row.noise else out), None
