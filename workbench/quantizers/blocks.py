"""Blocks: which entries of a tensor share one step.

One tuple says it for every granularity.  It lists the sides of a block along the last axes, -1 (or None) for a whole axis; axes
in front of them have blocks of side 1.  No tuple at all is one block for everything:

    None        the whole tensor                  (1, 32)    32 neighbors within a row of a matrix (so does (32,))
    (1, -1)     each row, an output of a layer    (32, 32)   a square tile
    (-1, 1)     each column                       (-1,)      each token: the last axis of a tensor of any rank

A block that sticks out at the end of an axis is shorter there.  No entry is added to what is stored.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Block = Sequence[int | None] | None


def check(block: Block) -> tuple[int | None, ...] | None:
    """``block`` as a tuple.

    Raises:
        TypeError: for something else than None or a sequence of whole numbers.
        ValueError: for a side that is neither positive nor -1.
    """
    if block is None:
        return None
    if isinstance(block, str | int) or any(isinstance(b, bool) or not isinstance(b, int | None) for b in block):
        raise TypeError(f"block is {block!r}; give None, or a tuple of sides such as (1, 32), with -1 for a whole axis")
    if any(b is not None and b < 1 and b != -1 for b in block):
        raise ValueError(f"block is {tuple(block)}; a side is at least 1, or -1 for a whole axis")
    return tuple(block)


def sides(shape: Sequence[int], block: Block) -> tuple[int, ...]:
    """The sides of a block along every axis of ``shape``: whole axes filled in, none longer than its axis.

    Raises:
        ValueError: for a block with more axes than the tensor.
    """
    if block is None:
        return tuple(max(n, 1) for n in shape)
    if len(block) > len(shape):
        raise ValueError(f"block {tuple(block)} has {len(block)} axes, and the tensor only {len(shape)}, of sides {tuple(shape)}")
    full = (*[1] * (len(shape) - len(block)), *block)
    return tuple(max(n if b in (None, -1) else min(b, n), 1) for n, b in zip(shape, full, strict=True))


def grid(shape: Sequence[int], block: Block) -> tuple[int, ...]:
    """How many blocks there are along every axis of ``shape``."""
    return tuple(-(-n // side) for n, side in zip(shape, sides(shape, block), strict=True))


def cells(x: Tensor, block: Block, fill: str = "edge") -> Tensor:
    """``x`` block by block, (\\*grid, entries): a block that sticks out repeats the last entry ("edge"), or goes on with 0 ("zero").

    Repeating changes no minimum and no maximum, zeros change no sum.
    """
    shape = sides(x.shape, block)
    for axis, side in enumerate(shape):
        missing = -x.shape[axis] % side
        if missing:
            last = x.narrow(axis, x.shape[axis] - 1, 1)
            tail = last if fill == "edge" else torch.zeros_like(last)
            x = torch.cat([x, tail.expand(*x.shape[:axis], missing, *x.shape[axis + 1 :])], axis)
    counts = [n // side for n, side in zip(x.shape, shape, strict=True)]
    split = x.reshape([part for pair in zip(counts, shape, strict=True) for part in pair])
    order = [*range(0, 2 * x.ndim, 2), *range(1, 2 * x.ndim, 2)]
    entries = 1
    for side in shape:
        entries *= side
    return split.permute(order).reshape(*counts, entries)


def spread(values: Tensor, shape: Sequence[int], block: Block) -> Tensor:
    """One value for each block, (\\*grid,), to a tensor that broadcasts against the entries of ``shape``."""
    for axis, (n, side) in enumerate(zip(shape, sides(shape, block), strict=True)):
        if side > 1 and values.shape[axis] > 1:
            values = values.repeat_interleave(side, axis).narrow(axis, 0, n)
    return values
