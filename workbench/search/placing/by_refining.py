"""Refinement: times that may lie anywhere are moved a little, and stay where that helped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from workbench.schedules import Schedule
from workbench.search.evolution import evolve
from workbench.search.placing.by_evolution import Outcome
from workbench.search.placing.judge import Judge
from workbench.search.settings import Evolution, Stage


@dataclass(frozen=True)
class Refining:
    """Move the points of a grid about, without gradients, and keep what lowers the error at the end.

    A mutation takes one point between the ends, or all points of a stretch together, and shifts them in lambda by a random part of the
    room they have; small and large shifts are drawn alike on a logarithmic scale.  Points never meet or pass each other.

    Args:
        generations, offspring: see :class:`~workbench.search.Evolution`.
        begin: a grid to begin from; None is the best of ``wb.grids.ALL``.
        checkpoint: a file with which the search goes on after an interruption.
        progress: whether to show a bar.

    Raises:
        ValueError: what ``Evolution`` refuses.
    """

    generations: int = 60
    offspring: int = 8
    begin: Sequence[float] | None = None
    checkpoint: Path | None = None
    progress: bool = False
    paper: ClassVar[str] = "sieberling2025evopress"
    name: ClassVar[str] = "refinement"

    def __post_init__(self) -> None:
        Evolution(self.generations, self.offspring)

    def search(self, judge: Judge, times: Sequence[float], begin: Sequence[float], generator: torch.Generator) -> Outcome:
        """Search from ``begin``; the candidates ``times`` bound where points may go."""
        schedule = judge.model.schedule
        low, high = _bounds(schedule, times)

        def grid(state: Any) -> list[float]:
            inner = [schedule.inverse_log_snr(one) for one in state]
            return [begin[0], *inner, begin[-1]]

        def fitness(state: Any, stage: Stage) -> float:
            return judge(grid(state), stage.samples)

        start = tuple(schedule.log_snr(t) for t in begin[1:-1])
        settings = Evolution(self.generations, self.offspring, (Stage(len(judge.noise), 1),))
        found = evolve(
            start,
            lambda state, draws: shifted(state, low, high, draws),
            fitness,
            settings,
            generator=generator,
            checkpoint=self.checkpoint,
            progress=self.progress,
        )
        return Outcome(grid(found.best), found.fitness, tuple(one.fitness for one in found.history), found.interrupted)


def shifted(state: tuple[float, ...], low: float, high: float, generator: torch.Generator) -> tuple[float, ...]:
    """One point, or a stretch of neighbors, moved by a part of the room between ``low`` or its neighbor and ``high`` or its neighbor."""
    if not state:
        return state

    def draw() -> float:
        return float(torch.rand((), generator=generator, dtype=torch.float64, device=generator.device))

    first = int(draw() * len(state))
    last = first + int(draw() * (len(state) - first)) if draw() < 0.5 else first
    below = state[first - 1] if first else low
    above = state[last + 1] if last + 1 < len(state) else high
    size = math.exp(math.log(0.003) * draw())  # from 1 down to 0.003 of the room
    room = above - state[last] if draw() < 0.5 else below - state[first]
    move = 0.9 * size * room
    return (*state[:first], *(one + move for one in state[first : last + 1]), *state[last + 1 :])


def _bounds(schedule: Schedule, times: Sequence[float]) -> tuple[float, float]:
    """lambda of the outermost candidates at which it is finite."""
    finite = [schedule.log_snr(t) for t in times if t > 0 and schedule.alpha(t) > 0]
    return finite[0], finite[-1]
