"""The states of an evolutionary search for grids: a set of times, and blocks left out; and mutations that lose none of either."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from workbench.search.switches import number_of_switches

State = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class Genome:
    """All pairs of ``number`` distinct times out of ``count``, and ``skipped`` distinct pairs (step, block).

    A state holds the increasing places of the times, and for each of the ``number`` + 1 steps the increasing places of the blocks that
    it leaves out.

    Args:
        count: candidates for a time.
        number: times to choose.
        blocks: of the network.
        skipped: blocks to leave out, all steps together.

    Raises:
        ValueError: for more times than candidates, or more blocks to leave out than all steps have.
    """

    count: int
    number: int
    blocks: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.number <= self.count:
            raise ValueError(
                f"a grid of {self.number + 1} steps needs {self.number} times between its ends, and there are {self.count} candidates; "
                "ask for fewer steps or give more candidates"
            )
        if not 0 <= self.skipped <= self.blocks * (self.number + 1):
            raise ValueError(
                f"skipped={self.skipped}, but {self.number + 1} steps have {self.blocks * (self.number + 1)} blocks together"
            )

    def start(self, times: Sequence[int], generator: torch.Generator) -> State:
        """These times, and blocks chosen at random."""
        steps = self.number + 1
        chosen = torch.randperm(self.blocks * steps, generator=generator)[: self.skipped].tolist()
        return tuple(times), self._by_step({divmod(k, self.blocks) for k in chosen})

    def mutate(self, state: State, generator: torch.Generator) -> State:
        """One, two or three changes: a time moves to a free neighbor or to any free place, or a block is left out in exchange for another."""
        times, pairs = set(state[0]), {(step, block) for step, blocks in enumerate(state[1]) for block in blocks}
        for _ in range(number_of_switches(generator)):
            if self.skipped and (self.number in (0, self.count) or _draw(2, generator)):
                self._exchange(pairs, generator)
            elif 0 < self.number < self.count:
                self._move(times, generator)
        return tuple(sorted(times)), self._by_step(pairs)

    def _move(self, times: set[int], generator: torch.Generator) -> None:
        old = sorted(times)[_draw(self.number, generator)]
        free = [k for k in range(self.count) if k not in times]
        if _draw(4, generator):  # mostly a neighbor: what is good stays nearly as it was
            below, above = [k for k in free if k < old][-1:], [k for k in free if k > old][:1]
            free = below + above
        times.remove(old)
        times.add(free[_draw(len(free), generator)])

    def _exchange(self, pairs: set[tuple[int, int]], generator: torch.Generator) -> None:
        free = [(step, block) for step in range(self.number + 1) for block in range(self.blocks) if (step, block) not in pairs]
        if free:
            pairs.remove(sorted(pairs)[_draw(len(pairs), generator)])
            pairs.add(free[_draw(len(free), generator)])

    def _by_step(self, pairs: set[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(sorted(block for one, block in pairs if one == step)) for step in range(self.number + 1))


def snapped(grid: Sequence[float], times: Sequence[float]) -> list[int]:
    """Places of distinct candidates ``times`` near those of ``grid``, in order; the ends are the ends.

    Near means by rank: of the candidates that leave room for the points still to come, the nearest.

    Raises:
        ValueError: for more points than candidates.
    """
    if len(grid) > len(times):
        raise ValueError(f"{len(grid)} points cannot have {len(times)} candidates each its own; give more candidates")
    places = [0]
    for k, t in enumerate(grid[1:-1], 1):
        allowed = range(places[-1] + 1, len(times) - (len(grid) - 1 - k))
        places.append(min(allowed, key=lambda place: abs(times[place] - t)))
    return [*places, len(times) - 1]


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator, device=generator.device))
