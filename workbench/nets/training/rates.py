"""How large a step is as training goes on: learning-rate schedules, each a factor of the largest rate.

``factor(step, steps)`` = warm-up x decay(step / steps), so that every schedule starts its decay at 1 and has all but reached its
end at the last step.  The schedule computed from a run's own gradient norms is ``refined``.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate(ABC):
    """min(1, (step + 1) / warmup) x decay(step / steps).

    Args:
        warmup: steps over which the rate grows linearly to its schedule; 0 starts at once.

    Raises:
        ValueError: for a negative warm-up.
    """

    warmup: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.warmup, int) or self.warmup < 0:
            raise ValueError(f"warmup={self.warmup!r}; it needs to be a number of steps, 0 or more")

    @abstractmethod
    def decay(self, progress: float) -> float:
        """The factor at ``progress`` in [0, 1] of the run, without warm-up."""

    def factor(self, step: int, steps: int) -> float:
        """The factor of step number ``step`` (from 0) of ``steps``."""
        return min(1.0, (step + 1) / self.warmup if self.warmup else 1.0) * self.decay(step / steps)


@dataclass(frozen=True)
class Constant(Rate):
    """1: the only schedule that need not know when training ends; averaging the weights does the rest."""

    def decay(self, progress: float) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class Linear(Rate):
    """1 - z: the optimum of the worst case over convex problems (``defazio2023refinement``)."""

    def decay(self, progress: float) -> float:
        """1 - z."""
        return 1 - progress


@dataclass(frozen=True)
class Cosine(Rate):
    """(1 + cos(pi z)) / 2 (``loshchilov2017sgdr``)."""

    def decay(self, progress: float) -> float:
        """Half a wave."""
        return 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class WarmupStableDecay(Rate):
    """1, and over the last ``tail`` of the run (1 - z) / tail: a constant rate that cools down at the end (``hu2024minicpm``).

    A run may be made longer as long as its cooling has not begun.

    Raises:
        ValueError: unless 0 < tail <= 1.
    """

    tail: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tail <= 1:
            raise ValueError(f"tail={self.tail}; it is the share of the run in which the rate falls and needs to be in (0, 1]")

    def decay(self, progress: float) -> float:
        """1, then down to 0."""
        return min(1.0, (1 - progress) / self.tail)


@dataclass(frozen=True)
class REX(Rate):
    """(1 - z) / (1/2 + (1 - z) / 2): above linear, concave, with all of the haste at the end (``chen2022rex``)."""

    def decay(self, progress: float) -> float:
        """Reflected exponential."""
        left = 1 - progress
        return left / (0.5 + 0.5 * left)
