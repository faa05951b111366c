"""Matrices in 8 bits with a step for each square tile: the form in which numbers flow and are kept in ``xi2024jetfire``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from workbench.quantizers.quantizer import checked
from workbench.quantizers.rounding import round_to_whole

TOP = 127
SIDE = 32


@dataclass(frozen=True, eq=False)
class BlockInt8:
    """A matrix as int8 codes from -127 to 127, and a step of 16 bits for each tile of ``side`` x ``side``.

        x_ij ~ step[i // side, j // side] code_ij,        bytes = n + 2 tiles:  n + 2 n / 1024  where the sides are multiples of 32

    The tile of an entry does not change when the matrix is transposed, so one stored matrix serves X W^T, G W and G^T X.  Steps for rows or
    for columns cannot do that.  Tiles at the edge may be smaller.

    Attributes:
        codes: (rows, columns).
        steps: (rows / side, columns / side), rounded up; float16, or bfloat16 for gradients, whose steps can be smaller than 6e-8.
        side: of a tile; None is one tile for the whole matrix.
    """

    codes: Int8[Tensor, "rows columns"]
    steps: Float[Tensor, "tiles_down tiles_across"]
    side: int | None = SIDE

    paper = "xi2024jetfire"

    @property
    def T(self) -> "BlockInt8":
        """The transposed matrix; nothing is rounded again, nothing is copied."""
        return BlockInt8(self.codes.T, self.steps.T, self.side)

    @property
    def nbytes(self) -> int:
        """Bytes of codes and steps."""
        return self.codes.numel() + 2 * self.steps.numel()

    def dequantize(self) -> Float[Tensor, "rows columns"]:
        """step times code, in float32."""
        return self.codes.float().mul_(spread(self.steps.float(), self.codes.shape, self.side))


@torch.no_grad()
def quantize(
    x: Float[Tensor, "rows columns"],
    side: int | None = SIDE,
    rounding: str = "nearest",
    generator: torch.Generator | None = None,
    steps: torch.dtype = torch.float16,
) -> BlockInt8:
    """Choose the step of each tile, max|x| / 127 rounded *up* to 16 bits, and round.

    Rounded up, no code leaves -127..127, so nothing is clipped, and rounding by chance has the right mean.  To the nearest, the largest
    entry of a tile gets the code 127 (with float16 steps above 6e-5), so what has been restored is rounded to itself.

    Args:
        x: finite numbers.
        side: of a tile; None is one tile for all.
        rounding: "nearest", or "stochastic" for gradients.
        generator: for stochastic rounding.
        steps: torch.float16 or torch.bfloat16.

    Raises:
        TypeError: for numbers that are no floats, or steps of another kind.
        ValueError: for NaN or infinity, no matrix, a side below 1, numbers beyond 127 x 65504 with float16, or no generator.
    """
    x = checked(x)
    if x.ndim != 2 or (side is not None and side < 1):
        raise ValueError(f"got shape {tuple(x.shape)} and side={side}; give a matrix, and a side of at least 1 or None")
    if steps not in (torch.float16, torch.bfloat16):
        raise TypeError(f"steps is {steps}; they are stored in 16 bits, torch.float16 or torch.bfloat16")
    if x.numel() == 0:
        return BlockInt8(x.to(torch.int8), x.new_zeros(grid(x.shape, side)).to(steps), side)
    tiles = _tiles(x, side)
    stored = _up(tiles.abs().amax(dim=(1, 3)) / TOP, steps)
    step = stored.to(x.dtype)
    if not bool(step.amax().isfinite()):
        raise ValueError(f"numbers up to {float(x.abs().max()):.3g} need steps beyond {steps}; take bfloat16, or divide them first")
    step = torch.where(step > 0, step, 1)  # a tile of zeros has the step 0, and codes 0
    u = (tiles / step[:, None, :, None]).clamp_(-TOP, TOP)
    codes = round_to_whole(u, rounding, generator).to(torch.int8).view(len(tiles) * tiles.shape[1], -1)
    return BlockInt8(codes[: len(x), : x.shape[1]], stored, side)


def grid(shape: Sequence[int], side: int | None) -> tuple[int, int]:
    """How many tiles there are, down and across."""
    down, across = (-(-n // (side or max(n, 1))) for n in shape)
    return down, across


def _tiles(x: Tensor, side: int | None) -> Tensor:
    """(down, side, across, side), edges filled with 0; no copy where the sides fit."""
    down, across = (side or n for n in x.shape)
    missing = (-x.shape[1] % across, -x.shape[0] % down)
    x = torch.nn.functional.pad(x, (0, missing[0], 0, missing[1])) if any(missing) else x.contiguous()
    return x.view(len(x) // down, down, -1, across)


def spread(steps: Tensor, shape: Sequence[int], side: int | None) -> Tensor:
    """One number for each tile to one for each entry."""
    if side is None:
        return steps.expand(shape)
    down, across = steps.shape
    wide = steps[:, None, :, None].expand(-1, side, -1, side).reshape(down * side, across * side)
    return wide[: shape[0], : shape[1]]


def nbytes(rows: int, columns: int, side: int | None = SIDE) -> int:
    """Bytes of a matrix without making it: a byte for each entry, and 2 for each tile."""
    return rows * columns + 2 * math.prod(grid((rows, columns), side))


def _up(step: Tensor, dtype: torch.dtype) -> Tensor:
    """The smallest numbers of ``dtype`` that are at least ``step`` >= 0."""
    near = step.to(dtype)
    above = (near.view(torch.int16) + 1).view(dtype)  # the next bit pattern is the next positive number
    return torch.where(near.to(step.dtype) < step, above, near)
