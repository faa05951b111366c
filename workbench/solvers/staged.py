"""What methods with several evaluations inside one step share: stages, each a weighted sum of the state and the answers before it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from workbench.denoiser import FACES, conversion
from workbench.schedules import Schedule
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

    @property
    def face(self) -> None:
        """The weights multiply answers of the method's own face."""
        return None


class NativeRows(NamedTuple):
    """The same with weights for answers of another face, the one the model predicts."""

    inflate: float
    noise: float
    stages: tuple[Stage, ...]
    final: Stage
    face: str


class Staged(Solver):
    """Base of the methods without a memory; a subclass plans the :class:`Rows` and names the ``face`` that it asks."""

    face: str = "noise"

    def step(self, model, x: Tensor, row: Rows | NativeRows, memory, draw) -> tuple[Tensor, None]:
        """Evaluate the stages, combine the answers."""
        if row.noise:
            x = (row.inflate * x).add_(draw(x), alpha=row.noise)
        return combine(x, row.final, ask_stages(getattr(model, row.face or self.face), x, row.stages)), None

    def in_terms_of(self, predicts: str, rows: Sequence[Rows], schedule: Schedule) -> Sequence[Rows | NativeRows]:
        """The rows with every answer replaced by the native one of the model, so that no conversion is left for the steps."""
        if predicts == self.face or predicts not in FACES:
            return rows
        return [converted(row, schedule, predicts, self.face) for row in rows]


def ask_stages(ask: Callable[[Tensor, float], Tensor], x: Tensor, stages: Sequence[Stage]) -> list[Tensor]:
    """The answers of all stages; each stage starts from x and may use the answers before it."""
    answers: list[Tensor] = []
    for stage in stages:
        answers.append(ask(combine(x, stage, answers), stage.t))
    return answers


def combine(x: Tensor, stage: Stage, answers: Sequence[Tensor]) -> Tensor:
    """scale * x + sum of weights times answers, one fused multiply-add per non-zero weight; x itself is left alone."""
    out = x if stage.scale == 1.0 else stage.scale * x
    if answers:
        for weight, answer in zip(stage.weights, answers, strict=True):
            if weight:
                out = out.add(answer, alpha=weight) if out is x else out.add_(answer, alpha=weight)
    return out


def converted(row: Rows, schedule: Schedule, source: str, target: str) -> Rows | NativeRows:
    """A row for answers of the face ``target``, rewritten for answers of ``source``: the same step, weighing other tensors.

    An answer is c_x * state + c_out * source, and the state a weighted sum of x and the answers before it; put into one another,
    every state is again a weighted sum of x and the sources.  A row is kept where a conversion would divide by zero.
    """
    try:
        pairs = [conversion(schedule, source, target, stage.t) for stage in row.stages]
    except ValueError:
        return row
    stages, answers = [], []  # an answer as (its weight of x, its weights of the sources)
    for stage, (c_x, c_out) in zip(row.stages, pairs, strict=True):
        stages.append(here := _substituted(stage, answers))
        answers.append((c_x * here.scale, (*(c_x * weight for weight in here.weights), c_out)))
    return NativeRows(row.inflate, row.noise, tuple(stages), _substituted(row.final, answers), source)


def _substituted(stage: Stage, answers: Sequence[tuple[float, tuple[float, ...]]]) -> Stage:
    scale, weights = stage.scale, [0.0] * len(answers)
    for own, (of_x, of_sources) in zip(stage.weights, answers, strict=True):
        if own:
            scale += own * of_x
            for k, weight in enumerate(of_sources):
                weights[k] += own * weight
    return Stage(stage.t, scale, tuple(weights))
