"""What multistep methods share: a weighted sum of the state, the model's answers so far, and perhaps fresh noise."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.base import Solver
from workbench.solvers.exponential import Face


class Weights(NamedTuple):
    """One step, x_s = x * x_t + sum_j past[j] * answer_j + noise * z; the answer at t comes first, older ones follow."""

    t: float
    x: float
    past: tuple[float, ...]
    noise: float = 0.0


class Multistep(Solver):
    """One evaluation a step; a subclass says how ``points`` answers are weighed.

    Order starts at 1, when there is no past, and rises by one each step.  With ``final_order`` it falls again: the last planned
    step uses at most so many answers, the one before it one more.  (The finish at t = 0 is ``solve``'s, of order 1.)
    """

    evaluations_per_step = 1
    face: Face = "data"
    final_order: int | None = None

    @property
    def points(self) -> int:
        """How many answers an ordinary step combines."""
        return int(self.order)

    @abstractmethod
    def weights(self, schedule: Schedule, past: Sequence[float], s: float) -> Weights:
        """The step to ``s`` from the answers at the times ``past``, newest first: their number is the order of this step."""

    def plan(self, schedule, grid) -> list[Weights]:
        """The weights of all steps, orders rising at the start and, with ``final_order``, falling at the end."""
        times = grid.tolist()
        return [
            self.weights(schedule, times[i::-1][: self.points_at(i, len(times) - 1)], s) for i, (_, s) in enumerate(pairwise(times))
        ]

    def points_at(self, i: int, steps: int) -> int:
        """How many answers step ``i`` (from 0) of ``steps`` combines."""
        return ramp(self.points, i, steps, self.final_order)

    def step(self, model, x: Tensor, row: Weights, memory: tuple[Tensor, ...] | None, draw) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One multiply-add for each answer, and one more where noise is drawn."""
        now = model.data(x, row.t) if self.face == "data" else model.noise(x, row.t)
        answers = (now, *memory) if memory else (now,)
        out = row.x * x
        for weight, answer in zip(row.past, answers, strict=False):
            out.add_(answer, alpha=weight)
        if row.noise:
            out.add_(draw(x), alpha=row.noise)
        return out, answers[: self.points - 1]


def ramp(points: int, i: int, steps: int, final_order: int | None = None) -> int:
    """How many points step ``i`` (from 0) of ``steps`` uses: at most ``points``, at most what has been seen, fewer near the end."""
    most = min(points, i + 1)
    return most if final_order is None else min(most, final_order + steps - 1 - i)


def check_order(order: int, allowed: Sequence[int], final_order: int | None, method: str) -> None:
    """Raise ValueError unless the order is offered and ``final_order`` is None or at least 1."""
    if isinstance(order, bool) or order not in allowed:
        raise ValueError(f"{method} has the orders {', '.join(map(str, allowed))}; got {order!r}")
    if final_order is not None and (isinstance(final_order, bool) or final_order < 1):
        raise ValueError(
            f"final_order is the order of the last planned step, at least 1, or None for no descent; got {final_order!r}"
        )
