"""What a search of ratios found, and how it survives its interruption."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workbench.nets.training.checkpoint import CheckpointError, differences, load
from workbench.solvers.dc_solver import DCSolver

Method = Literal["gradient", "golden section", "closed form"]


@dataclass(frozen=True)
class Compensation:
    """What a search of ratios found.

    Args:
        solver: the DC-Solver with the ratios.
        steps: for every step the loss at rho = 1 and the loss at the ratio taken, given the ratios before it.
        plain, found: mean squared distance of the end from the many-step end, with all ratios 1 and with those found, on the noise that was
            searched on.
        held_out_plain, held_out: the same on noise that the search has not seen.
        evaluations: network evaluations: calls times samples times the model's cost, trajectories and judgment included.
        backward: how many of them were followed by a backward pass.
        interrupted: whether somebody stopped it before its time; the ratios that were not reached are 1.
    """

    solver: DCSolver
    steps: tuple[tuple[float, float], ...]
    plain: float
    found: float
    held_out_plain: float
    held_out: float
    evaluations: int
    backward: int
    interrupted: bool = False

    @property
    def ratios(self) -> tuple[float, ...]:
        """One for each planned step."""
        return self.solver.ratios


@dataclass
class Progress:
    """What is kept in the checkpoint."""

    ratios: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    calls: int = 0
    backward: int = 0


def check(method: str, first: int, iterations: int) -> None:
    """Raise ValueError for an unknown method or counts out of range."""
    if method not in ("gradient", "golden section", "closed form"):
        raise ValueError(f"method must be 'gradient', 'golden section' or 'closed form', got {method!r}")
    if isinstance(first, bool) or not isinstance(first, int) or first < 1:
        raise ValueError(f"first is the first step (from 0) that is compensated, at least 1, got {first!r}")
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 4:
        raise ValueError(f"iterations is how often the loss of a step is evaluated, at least 4, got {iterations!r}")


def resumed(path: Path, about: dict[str, Any]) -> Progress:
    """The ratios in the checkpoint, if it is of the search ``about``; CheckpointError for another."""
    state, stored, _ = load(path)
    if wrong := differences(stored, about):
        raise CheckpointError(f"{path} is of another search: {'; '.join(wrong)}. Ask for the same, or take another file")
    return Progress(**state)
