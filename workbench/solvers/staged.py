"""What methods with several evaluations inside one step share: stages, each a weighted sum of the state and the answers before it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from workbench.solvers.base import Solver


class Stage(NamedTuple):
    """Where to evaluate: at time t, at scale * x + sum_j weights[j] * answer_j."""

    t: float
    scale: float
    weights: tuple[float, ...]


class Rows(NamedTuple):
    """One step: optional fresh noise (x <- inflate * x + noise * z), the stages, and the final combination."""

    inflate: float
    noise: float
    stages: tuple[Stage, ...]
    final: Stage


class Staged(Solver):
    """Base of the methods without a memory; a subclass plans the :class:`Rows` and names the ``face`` that it asks."""

    face: str = "noise"

    def step(self, model, x: Tensor, row: Rows, memory, draw) -> tuple[Tensor, None]:
        """Evaluate the stages, combine the answers."""
        if row.noise:
            x = (row.inflate * x).add_(draw(x), alpha=row.noise)
        return combine(x, row.final, ask_stages(getattr(model, self.face), x, row.stages)), None


def ask_stages(ask: Callable[[Tensor, float], Tensor], x: Tensor, stages: Sequence[Stage]) -> list[Tensor]:
    """The answers of all stages; each stage starts from x and may use the answers before it."""
    answers: list[Tensor] = []
    for stage in stages:
        answers.append(ask(combine(x, stage, answers), stage.t))
    return answers


def combine(x: Tensor, stage: Stage, answers: Sequence[Tensor]) -> Tensor:
    """scale * x + sum of weights times answers, one fused multiply-add per non-zero weight."""
    out = x if stage.scale == 1.0 else stage.scale * x
    for weight, answer in zip(stage.weights, answers, strict=True):
        if weight:
            out = out.add(answer, alpha=weight) if out is x else out.add_(answer, alpha=weight)
    return out
