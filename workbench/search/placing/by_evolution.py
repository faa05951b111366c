"""Evolution: sets of distinct times, and blocks left out, judged by the result alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from workbench.search.evolution import evolve
from workbench.search.placing.genome import Genome, snapped
from workbench.search.placing.judge import Judge
from workbench.search.placing.stepwise import Skipping
from workbench.search.settings import Evolution, Stage


@dataclass(frozen=True)
class Evolving:
    """Search the sets of candidate times, and the blocks that each step skips, for the least error at the end (AutoDiffusion).

    A state is a set of n - 1 distinct candidates between the ends, and for each step the residual blocks that it leaves out, ``skipped``
    of them in the whole run.  A mutation keeps both numbers (:class:`Genome`), so no step is ever lost.  There is no crossover: two
    parents with a time in common would have a child with a time too few.  The paper's fitness is a Frechet distance between sets of
    pictures; ours, by default, the distance to the truth from the same noise, which needs few samples.

    Args:
        generations, offspring: see :class:`~workbench.search.Evolution`.
        skipped: how many blocks to leave out, all steps together; the model needs a network with residual blocks.
        begin: a grid to begin from (its times are moved to the nearest candidates); None is the best of ``wb.grids.ALL``.
        checkpoint: a file with which the search goes on after an interruption.
        progress: whether to show a bar.

    Raises:
        ValueError: for a negative number of blocks, and what ``Evolution`` refuses.
    """

    generations: int = 40
    offspring: int = 8
    skipped: int = 0
    begin: Sequence[float] | None = None
    checkpoint: Path | None = None
    progress: bool = False
    paper: ClassVar[tuple[str, ...]] = ("li2023autodiffusion", "sieberling2025evopress")
    name: ClassVar[str] = "evolution"

    def __post_init__(self) -> None:
        Evolution(self.generations, self.offspring)
        if self.skipped < 0:
            raise ValueError(f"skipped={self.skipped}; a number of blocks to leave out is at least 0")

    def search(self, judge: Judge, times: Sequence[float], begin: Sequence[float], generator: torch.Generator) -> "Outcome":
        """Search among the candidates ``times``, from ``begin``."""
        steps = len(begin) - 1
        skipping = Skipping(judge.model) if self.skipped else None
        genome = Genome(len(times) - 2, steps - 1, len(skipping.names) if skipping else 0, self.skipped)

        def grid(state: Any) -> list[float]:
            return [times[0], *(times[k + 1] for k in state[0]), times[-1]]

        def model(state: Any) -> Any:
            return skipping.model(grid(state), state[1]) if skipping else None

        def fitness(state: Any, stage: Stage) -> float:
            return judge(grid(state), stage.samples, model(state))

        start = genome.start([k - 1 for k in snapped(begin, times)[1:-1]], generator)
        settings = Evolution(self.generations, self.offspring, (Stage(len(judge.noise), 1),))
        found = evolve(
            start, genome.mutate, fitness, settings, generator=generator, checkpoint=self.checkpoint, progress=self.progress
        )
        names = tuple(tuple(skipping.names[k] for k in step) for step in found.best[1]) if skipping else ()
        history = tuple(one.fitness for one in found.history)
        return Outcome(grid(found.best), found.fitness, history, found.interrupted, names, model(found.best))


@dataclass(frozen=True)
class Outcome:
    """What a search by results ends with."""

    times: list[float]
    fitness: float
    history: tuple[float, ...]
    interrupted: bool
    skipped: tuple[tuple[str, ...], ...] = ()
    model: Any = field(default=None, repr=False)
