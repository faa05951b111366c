"""A grid that was searched for, and what is to be known of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FoundGrid(Sequence):
    """A grid, usable as such: ``wb.solve(model, noise, found, solver)``.

    Args:
        times: decreasing, n + 1 of them.
        method: how it was found.
        solver: for which it was searched.
        fitness: its error on the noise of the search.
        held_out: its error on noise that the search has not seen.
        evaluations: of the network, each of one sample: all that the search, its teacher and its judge have asked.
        judging: those of them that measured the held-out error.
        history: the best fitness after each generation of a search; (fitness,) for a method that proposes one grid.
        interrupted: whether somebody stopped the search before its time.
        skipped: for each step, the blocks of the network that it leaves out.
        model: the one to run the grid with: the network itself, or one that leaves these blocks out.
        paper: of the method (``wb.cite`` reads it).
    """

    times: tuple[float, ...]
    method: str
    solver: Any
    fitness: float
    held_out: float
    evaluations: int
    judging: int
    history: tuple[float, ...]
    interrupted: bool = False
    skipped: tuple[tuple[str, ...], ...] = ()
    model: Any = field(default=None, repr=False)
    paper: str | tuple[str, ...] = ()

    @property
    def grid(self) -> Float[Tensor, "points"]:
        """The times as a float64 tensor."""
        return torch.tensor(self.times, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, place):
        return self.times[place]
