"""Products of matrices in tiles: whole numbers within a tile, floating point across tiles."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.quantizers import integers
from workbench.quantizers.training.block_int8 import TOP, BlockInt8


def block_matmul(a: BlockInt8, b: BlockInt8) -> Float[Tensor, "rows columns"]:
    """Y = sum_k a.step[i, k] b.step[k, j] (A_ik B_kj), the sum over tiles k; float32.

    A_ik B_kj is a product of whole numbers.  In a tile 32 deep it is at most 32 x 127 x 127 < 2^24, so float32 makes it exactly; sums over
    tiles are rounded as float32 sums are.

    Raises:
        ValueError: for shapes or tiles that do not fit each other.
    """
    if a.codes.shape[1] != b.codes.shape[0] or a.side != b.side:
        raise ValueError(
            f"cannot multiply {tuple(a.codes.shape)} in tiles of {a.side} by {tuple(b.codes.shape)} in tiles of {b.side}"
        )
    depth = a.codes.shape[1]
    side = a.side or max(depth, 1)
    rows = _down(a.steps.float(), len(a.codes), a.side)
    columns = _down(b.steps.float().T, b.codes.shape[1], b.side).T
    out = torch.zeros(len(a.codes), b.codes.shape[1])
    for k in range(a.steps.shape[1]):
        part = slice(k * side, min((k + 1) * side, depth))
        product = tile_product(a.codes[:, part], b.codes[part])
        out.addcmul_(product.mul_(rows[:, k, None]), columns[None, k])
    return out


def tile_product(a: Tensor, b: Tensor) -> Float[Tensor, "rows columns"]:
    """The product of codes, exact wherever float32 can hold it."""
    if a.shape[1] <= integers.exact_depth(TOP, TOP):
        return a.float() @ b.float()
    return integers.matmul(a, b).float()


def _down(steps: Tensor, length: int, side: int | None) -> Tensor:
    """Steps (tiles, other) to (length, other)."""
    return steps.expand(length, -1) if side is None else steps.repeat_interleave(side, 0)[:length]
