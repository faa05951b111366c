"""What a search is told: how many children, how they are sieved, how long."""

from dataclasses import dataclass
from itertools import pairwise


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True)
class Stage:
    """One sieve: every child still in the race is judged on ``samples`` samples, and the best ``survivors`` go on.

    Raises:
        ValueError: for fewer than one of either.
    """

    samples: int
    survivors: int

    def __post_init__(self) -> None:
        if not (_whole(self.samples) and _whole(self.survivors)):
            raise ValueError(f"a stage needs at least one sample and one survivor, as whole numbers; got {self}")


@dataclass(frozen=True)
class Evolution:
    """Settings of a (1 + lambda) search with selection in several stages (``sieberling2025evopress``).

    In every generation the parent has ``offspring`` children.  Few samples sieve the many, more samples the few that are left, and only
    on the last stage is the best of them held against the parent, whom it replaces if it is no worse.

        >>> Evolution(generations=10, offspring=8, stages=(Stage(4, 2), Stage(16, 1))).samples_a_generation
        64

    Args:
        generations: how many.
        offspring: lambda, children of a generation.
        stages: from coarse to fine: samples grow, survivors shrink, and the last stage leaves one.
        tries: mutations tried for each child before it is given up because all are known already.

    Raises:
        ValueError: for numbers below 1 (0 generations are allowed), no stages, or stages that do not grow and shrink as said.
    """

    generations: int = 50
    offspring: int = 16
    stages: tuple[Stage, ...] = (Stage(samples=1, survivors=1),)
    tries: int = 20
    paper = "sieberling2025evopress"

    def __post_init__(self) -> None:
        if not (_whole(self.offspring) and _whole(self.tries) and _whole(self.generations + 1)):
            raise ValueError(
                f"offspring={self.offspring} and tries={self.tries} need to be at least 1, and generations={self.generations} at least "
                "0, as whole numbers"
            )
        if not self.stages:
            raise ValueError("no stages; give at least one, such as (Stage(samples=16, survivors=1),)")
        if any(a.samples > b.samples or a.survivors < b.survivors for a, b in pairwise(self.stages)):
            raise ValueError(f"from stage to stage samples grow and survivors shrink; got {self.stages}")
        if self.stages[-1].survivors != 1 or self.stages[0].survivors > self.offspring:
            raise ValueError(
                f"the last stage leaves one and the first no more than the {self.offspring} children; got {self.stages}"
            )

    @property
    def samples_a_generation(self) -> int:
        """The most samples that the children of one generation are judged on, all stages together."""
        judged = [self.offspring, *(stage.survivors for stage in self.stages[:-1])]
        return sum(count * stage.samples for count, stage in zip(judged, self.stages, strict=True))
