"""A solver that was searched for, and what is to be known of it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.search.found import Found
from workbench.solvers import Unified


@dataclass(frozen=True, eq=False)
class FoundSolver:
    """``wb.solve(model, noise, found.grid, found.solver)`` runs it.

    Args:
        solver: what was found.
        times: its grid.
        budget: evaluations of a run.
        fitness: its error on the noise of the search.
        held_out: its error on noise that the search has not seen.
        begin: the name of what the search began with.
        begin_fitness, begin_held_out: the same errors of that.
        evaluations: of the network, each of one sample: all that was asked, the truth and the choice of the beginning included.
        judging: those of them that the held-out errors cost.
        found: the states and the history of the search.
    """

    solver: Unified
    times: tuple[float, ...]
    budget: int
    fitness: float
    held_out: float
    begin: str
    begin_fitness: float
    begin_held_out: float
    evaluations: int
    judging: int
    found: Found = field(repr=False)
    paper: Any = ("liu2024unified", "sieberling2025evopress")

    @property
    def grid(self) -> Float[Tensor, "points"]:
        """The times as a float64 tensor."""
        return torch.tensor(self.times, dtype=torch.float64)

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the search before its time."""
        return self.found.interrupted

    @property
    def gap(self) -> float:
        """held_out / fitness: above 1 where the search has learned its own noise by heart, or where the held-out noise is harder."""
        return self.held_out / self.fitness

    def __str__(self) -> str:
        return (
            f"{self.budget} evaluations: {self.fitness:.4g} on the noise of the search, {self.held_out:.4g} on held-out noise; "
            f"begun with {self.begin}: {self.begin_fitness:.4g} and {self.begin_held_out:.4g}; "
            f"paid {self.evaluations:,} network evaluations, {self.judging:,} of them for the held-out errors"
        )
