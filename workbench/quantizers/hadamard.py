"""The Hadamard transform: it spreads an outlier over its whole block."""

import torch
from torch import Tensor


def block_size(width: int, most: int) -> int:
    """The largest power of two that divides ``width`` and is at most ``most``: 96 has blocks of 32.

    Raises:
        ValueError: for a ``most`` below 1.
    """
    if most < 1:
        raise ValueError(f"blocks of {most}; give a size of at least 1")
    size = 1
    while width % (2 * size) == 0 and 2 * size <= most:
        size *= 2
    return size


def hadamard(x: Tensor, size: int) -> Tensor:
    """H x along the last axis, block by block: H is the Sylvester matrix of side ``size`` over sqrt(size).

    H has entries +-1 / sqrt(size), is symmetric and its own inverse, so products do not change: (x H) (W H)^T = x W^T.  A single spike of
    height A becomes +-A / sqrt(size) everywhere.  Takes size log2(size) additions, and no matrix.

    Raises:
        ValueError: for a size that is no power of two, or does not divide the last axis.
    """
    width = x.shape[-1]
    if size < 1 or size & (size - 1) or width % size:
        raise ValueError(f"size {size} must be a power of two that divides the last axis of {width}; see block_size")
    half, y = 1, x.reshape(-1, size)
    while half < size:
        a, b = y.view(-1, size // (2 * half), 2, half).unbind(2)
        y = torch.stack([a + b, a - b], 2).view(-1, size)
        half *= 2
    return (y / size**0.5).view(x.shape)


def turned(x: Tensor, matrix: Tensor) -> Tensor:
    """x R along the last axis, block by block, for any square R: ``hadamard(x, k)`` is ``turned(x, hadamard(torch.eye(k), k))``.

    Raises:
        ValueError: for an R that is not square, or whose side does not divide the last axis.
    """
    size = len(matrix)
    if matrix.shape != (size, size) or x.shape[-1] % size:
        raise ValueError(
            f"a matrix {tuple(matrix.shape)} cannot turn blocks of a last axis of {x.shape[-1]}; its side must divide it"
        )
    return (x.unflatten(-1, (-1, size)) @ matrix).flatten(-2)
