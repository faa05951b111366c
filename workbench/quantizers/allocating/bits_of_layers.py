"""Bits for each layer within a budget: the states and the mutation of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from workbench.search import number_of_switches

Bits = tuple[int, ...]


@dataclass(frozen=True)
class BitBudget:
    """All allocations b_l of levels to layers of D_l weights that cost no more than  B = average sum_l D_l  bits:

        sum_l b_l D_l <= B.

    A mutation is a *level switch* (``sieberling2025evopress``): one layer goes up a level and others go down, one level at a time, until
    the budget holds.  What is then left over is spent where a level still fits, but only every other time, for more bits can do harm.
    Between layers of one size on evenly spaced levels this is one up, one down, and the cost never changes.

        >>> budget = BitBudget(sizes=(64, 64, 64), average=3, levels=(2, 3, 4))
        >>> sorted(budget.mutate((3, 3, 3), torch.Generator().manual_seed(1)))
        [2, 3, 4]

    Args:
        sizes: D_l, weights of each layer.
        average: bits for each weight on average.
        levels: the bits that a layer may have.
        same_size: who goes up is paid for by layers of the same size.  Then no bits move from large layers to small ones.

    Raises:
        ValueError: for no layers, sizes or levels that are not positive whole numbers, or an average below the lowest level.
    """

    sizes: tuple[int, ...]
    average: float
    levels: tuple[int, ...] = (2, 3, 4, 6, 8)
    same_size: bool = False
    paper = "sieberling2025evopress"

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(sorted(set(self.levels))))
        for what, values in (("sizes", self.sizes), ("levels", self.levels)):
            if not values or not all(isinstance(one, int) and one >= 1 for one in values):
                raise ValueError(f"{what} need to be whole numbers of at least 1, and at least one of them; got {values}")
        if not self.average >= self.levels[0]:
            raise ValueError(f"average={self.average} is below the lowest level, {self.levels[0]}; allow more, or a lower level")

    @property
    def bits(self) -> int:
        """B, all bits that there are."""
        return int(self.average * sum(self.sizes) + 1e-9)

    def cost(self, bits: Sequence[int]) -> int:
        """sum_l b_l D_l."""
        return sum(b * size for b, size in zip(bits, self.sizes, strict=True))

    def uniform(self) -> Bits:
        """The highest level that all layers can have."""
        return (max(level for level in self.levels if self.cost([level] * len(self.sizes)) <= self.bits),) * len(self.sizes)

    def start(self, generator: torch.Generator) -> Bits:
        """The uniform allocation, and what it leaves over spent at random."""
        bits = list(self.uniform())
        self._spend(bits, range(len(bits)), self.bits - self.cost(bits), generator)
        return tuple(bits)

    def check(self, bits: Sequence[int]) -> Bits:
        """``bits`` as a tuple.

        Raises:
            ValueError: for another number of layers, a level that is none, or more than the budget.
        """
        bits = tuple(bits)
        if len(bits) != len(self.sizes) or not set(bits) <= set(self.levels):
            raise ValueError(f"needs one of the levels {self.levels} for each of {len(self.sizes)} layers; got {bits}")
        if self.cost(bits) > self.bits:
            raise ValueError(f"{self.cost(bits):,} bits are more than the budget of {self.bits:,}; lower some layers")
        return bits

    def mutate(self, bits: Sequence[int], generator: torch.Generator) -> Bits:
        """One, two or three level switches; the same allocation where there is nothing to switch.

        Raises:
            ValueError: for an allocation that is not in the budget.
        """
        state = list(self.check(bits))
        for _ in range(number_of_switches(generator)):
            self._switch(state, generator)
        return tuple(state)

    def _switch(self, bits: list[int], generator: torch.Generator) -> None:
        before, left = list(bits), self.bits - self.cost(bits)
        able = [k for k, b in enumerate(bits) if b < self.levels[-1]]
        if not able:
            return
        raised = _pick(able, generator)
        group = [k for k in range(len(bits)) if k != raised and (not self.same_size or self.sizes[k] == self.sizes[raised])]
        left -= self._move(bits, raised, 1)
        lowered = set()
        while left < 0:
            able = [k for k in group if bits[k] > self.levels[0]]
            if not able:
                bits[:] = before
                return
            k = _pick(able, generator)
            left -= self._move(bits, k, -1)
            lowered.add(k)
        if int(torch.randint(2, (), generator=generator, device=generator.device)):
            self._spend(bits, [k for k in group if k not in lowered], left, generator)

    def _spend(self, bits: list[int], among: Sequence[int], left: int, generator: torch.Generator) -> None:
        """Raise layers at random for as long as there is one that fits into the bits that are left."""
        up = dict(pairwise(self.levels))
        while able := [k for k in among if bits[k] in up and (up[bits[k]] - bits[k]) * self.sizes[k] <= left]:
            left -= self._move(bits, _pick(able, generator), 1)

    def _move(self, bits: list[int], k: int, by: int) -> int:
        """Move layer ``k`` one level; return what it costs."""
        old, bits[k] = bits[k], self.levels[self.levels.index(bits[k]) + by]
        return (bits[k] - old) * self.sizes[k]


def _pick(places: Sequence[int], generator: torch.Generator) -> int:
    return places[int(torch.randint(len(places), (), generator=generator, device=generator.device))]
