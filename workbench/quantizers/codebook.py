"""Levels from a table: the quantizer for values that are not spread evenly."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor

from workbench.quantizers import blocks, number_formats, places
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.rounding import uniform as draw
from workbench.quantizers.scales import Parts
from workbench.quantizers.uniform import over


@dataclass(frozen=True)
class Codebook(Quantizer):
    """x ~ step c_q with the levels c_0 < c_1 < ... of a table; step = max|x| / max|c| for each block.

    Nearest: a number halfway goes to the level an even number of places from 0.  Stochastic: between c_j and c_{j+1} up with probability
    (u - c_j) / (c_{j+1} - c_j), so the mean is kept and the variance is (u - c_j)(c_{j+1} - u); below c_0 and above the last level it is
    clipped, and biased.

    Args:
        values: the levels, increasing; see :mod:`workbench.quantizers.number_formats`.
        bits: of a code; 0, the default, takes as few as the levels need.

    Raises:
        ValueError: for fewer than two levels, levels not increasing or not finite, more than 2^bits, or, when a tensor with negative
            numbers is quantized, a table without negative levels.
    """

    values: tuple[float, ...] = (-1.0, 1.0)
    bits: int = 0

    def __post_init__(self) -> None:
        values = tuple(float(value) for value in self.values)
        increasing = all(a < b for a, b in zip(values, values[1:], strict=False))
        if len(values) < 2 or not increasing or not all(abs(value) < float("inf") for value in values):
            raise ValueError(f"the {len(values)} levels must be at least two finite numbers in increasing order; got {values[:20]}")
        needed = (len(values) - 1).bit_length()
        if self.bits and self.bits < needed:
            raise ValueError(f"{len(values)} levels need {needed} bits, got bits={self.bits}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "bits", self.bits or needed)
        super().__post_init__()

    @property
    def paper(self) -> str:
        """Where the levels come from, if they are a table of :mod:`workbench.quantizers.number_formats`; else what tables go back to."""
        return _origins().get(self.values, "gray1998quantization")

    @cached_property
    def largest(self) -> float:
        """max|c|."""
        return max(abs(value) for value in self.values)

    @cached_property
    def _home(self) -> int:
        """The place of the level next to 0."""
        return min(range(len(self.values)), key=lambda q: abs(self.values[q]))

    def encode(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Parts]:
        """Places in the table, and the stored steps."""
        self.check_signs(x)
        cells = blocks.cells(x, self.block)
        reach = cells.abs().amax(-1) if cells.numel() else cells.new_zeros(cells.shape[:-1])
        parts = self.scales.encode(reach.double() / self.largest, self.largest)
        step = self.scales.decode(parts, reach.shape)
        u = over(x, blocks.spread(step.to(x.dtype), x.shape, self.block))
        return self.place(u, generator), parts

    def check_signs(self, x: Tensor) -> None:
        """Raise ValueError for negative numbers where no level is negative."""
        if self.values[0] >= 0 and x.numel() and float(x.amin()) < 0:
            raise ValueError(f"the levels begin at {self.values[0]:g} and the tensor has negative numbers; take a signed table")

    def place(self, u: Tensor, generator: torch.Generator | None) -> Tensor:
        """The codes of numbers in steps."""
        codes = self.nearest(u) if self.rounding == "nearest" else self.stochastic(u, generator)
        return codes.to(torch.uint8 if self.bits <= 8 else torch.int32)

    def nearest(self, u: Tensor) -> Tensor:
        """The place of the level nearest to each number: a number halfway between two belongs to the one an even number of places from 0."""
        return places.count(u, self._middles(u.dtype))

    def stochastic(self, u: Tensor, generator: torch.Generator | None) -> Tensor:
        """The place of the level below or above, so that the mean is kept."""
        levels = self._table(u)
        u = u.clamp(self.values[0], self.values[-1])
        below = places.count(u, tuple(levels[1:-1].tolist())) if len(levels) > 2 else torch.zeros_like(u, dtype=torch.uint8)
        low, high = (table.index_select(0, below.reshape(-1).int()).view(u.shape) for table in (levels[:-1], levels[1:]))
        return below + (draw(u, generator) < (u - low).div_(high - low)).to(below.dtype)

    def decode(self, codes: Tensor, parts: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
        """Step times level."""
        step = self.scales.decode(parts, blocks.grid(codes.shape, self.block))
        return self.levels_of(codes, dtype).mul_(blocks.spread(step.to(dtype), codes.shape, self.block))

    def levels_of(self, codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The levels at these places of the table."""
        levels = torch.tensor(self.values, dtype=dtype, device=codes.device)
        return levels.index_select(0, codes.reshape(-1).int()).view(codes.shape)

    def _middles(self, dtype: torch.dtype) -> tuple[float, ...]:
        """From where on a number belongs to the next level: halfway, or just above where a tie goes down."""
        levels = torch.tensor(self.values, dtype=dtype)
        middles = (levels[1:] + levels[:-1]) / 2
        up = (torch.arange(len(middles)) - self._home) % 2 == 1
        return tuple(torch.where(up, middles, torch.nextafter(middles, torch.full_like(middles, torch.inf))).tolist())

    def _table(self, like: Tensor) -> Tensor:
        return torch.tensor(self.values, dtype=like.dtype, device=like.device)


@cache
def _origins() -> dict[tuple[float, ...], str]:
    """Levels -> the paper that has them."""
    tables = {number_formats.normal_float(): "dettmers2023qlora", number_formats.minifloat(): "rouhani2023mx"}
    tables[number_formats.dynamic(8)] = "dettmers2022eightbit"
    fourbit = (number_formats.dynamic(), number_formats.dynamic(signed=False))
    return tables | dict.fromkeys(
        (*fourbit, number_formats.dynamic_without_zero(), number_formats.linear_without_zero()), "li2023fourbit"
    )


def nf4(double: bool = False) -> Codebook:
    """NF4 in blocks of 64 of a row; with ``double`` the steps in 8 bits, 256 to a step of their own (``dettmers2023qlora``)."""
    from workbench.quantizers.affine import Affine
    from workbench.quantizers.doubled import Doubled
    from workbench.quantizers.scales import Float

    scales = Doubled(Affine(bits=8, block=(256,))) if double else Float()
    return Codebook(values=number_formats.normal_float(), block=(64,), scales=scales)


def mxfp4() -> Codebook:
    """MX: E2M1 in blocks of 32, one power of two for each, 4.25 bits (``rouhani2023mx``)."""
    from workbench.quantizers.scales import PowerOfTwo

    return Codebook(values=number_formats.minifloat(), block=(32,), scales=PowerOfTwo("floor"))


def nvfp4() -> Codebook:
    """NVFP4: E2M1 in blocks of 16, steps in E4M3 under one float32, 4.5 bits."""
    from workbench.quantizers.scales import E4M3

    return Codebook(values=number_formats.minifloat(), block=(16,), scales=E4M3())
