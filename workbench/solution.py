"""What a sampling run returns, and how its model calls are counted."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.denoiser import Denoiser


@dataclass(frozen=True)
class Solution:
    """What a sampling run returns.

    Attributes:
        x: the state at ``grid[-1]``, (batch, \\*shape).
        xs: the states at all grid points, (points, batch, \\*shape), or None unless ``trajectory=True``.
        grid: the times, (points,) float64.
        evaluations: calls of the model (a batch is one call).
        solver: the solver used (``wb.cite`` reads it).
        model_cost: network calls per evaluation (2 for a guided model).
    """

    x: Tensor
    xs: Tensor | None
    grid: Tensor
    evaluations: int | Tensor
    solver: Any
    model_cost: int = 1

    @property
    def network_calls(self) -> int | Tensor:
        """evaluations times the model's cost."""
        return self.evaluations * self.model_cost


@dataclass(frozen=True)
class AdaptiveSolution(Solution):
    """A :class:`Solution` whose ``evaluations`` is a (batch,) tensor: what each sample would have cost alone.

    Attributes:
        accepted, rejected: (batch,) numbers of steps taken and of steps thrown away; a singular start or end is neither.
        calls: how often the model was called with the whole batch.
        times: with ``trajectory=True`` the (rounds + 1, batch) times that belong to ``xs``; a sample that was rejected, or has
            arrived, stands still for a round.
    """

    accepted: Tensor | None = None
    rejected: Tensor | None = None
    calls: int = 0
    times: Tensor | None = None


class Counted:
    """A model that counts the calls of its faces."""

    __slots__ = ("calls", "model", "predicts", "schedule")

    def __init__(self, model: Denoiser) -> None:
        self.model, self.schedule, self.predicts, self.calls = model, model.schedule, model.predicts, 0

    def data(self, x: Tensor, t) -> Tensor:
        """Count, then ask."""
        self.calls += 1
        return self.model.data(x, t)

    def noise(self, x: Tensor, t) -> Tensor:
        """Count, then ask."""
        self.calls += 1
        return self.model.noise(x, t)

    def score(self, x: Tensor, t) -> Tensor:
        """Count, then ask."""
        self.calls += 1
        return self.model.score(x, t)

    def velocity(self, x: Tensor, t) -> Tensor:
        """Count, then ask."""
        self.calls += 1
        return self.model.velocity(x, t)


def check_state(x: Any) -> None:
    """Raise TypeError or ValueError unless ``x`` is a floating-point tensor (batch, \\*shape)."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = f"dtype {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"the state must be a floating-point tensor (batch, *shape), got {got}")
    if x.ndim < 2:
        raise ValueError(f"the state needs a batch axis and at least one more, got shape {tuple(x.shape)}; use x[None]")
