"""What a search found, and how it got there."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Generation:
    """The state of affairs after a generation; the 0th is the start alone.

    Attributes:
        number: of the generation.
        fitness: of the best state so far, on the last stage.
        evaluations: calls of the fitness so far.
        samples: how many samples they looked at, together.
    """

    number: int
    fitness: float
    evaluations: int
    samples: int


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        best: the best state.
        history: one entry for the start and for each generation.
        interrupted: whether somebody stopped it before its time.
        known: the fitness of every state judged, by (state, number of the stage).
    """

    best: Any
    history: tuple[Generation, ...]
    interrupted: bool = False
    known: dict[tuple[Any, int], float] = field(default_factory=dict, repr=False)

    @property
    def fitness(self) -> float:
        """Of the best state, on the last stage."""
        return self.history[-1].fitness

    @property
    def evaluations(self) -> int:
        """Calls of the fitness."""
        return self.history[-1].evaluations

    @property
    def samples(self) -> int:
        """Samples that these calls looked at, together."""
        return self.history[-1].samples
