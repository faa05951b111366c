"""One step of an integer flow: some numbers stay, and say by how much the others move."""

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from workbench.quantizers.integer_flows.through import round_through


class Coupling(nn.Module):
    """z[writes] += round(t(z[reads])), undone by z[writes] -= round(t(z[reads])) with the very same whole numbers.

    Nothing is stretched: on whole numbers the map is one to one, and the logarithm of a determinant would be 0.  Floats are used in
    training and carry a gradient; int64 stays int64, and adds and subtracts modulo 2^64, so that no input is out of range.

    Args:
        reads, writes: channels, none in both.
        translator: t, a network that returns floats, which are rounded, or whole numbers, which are taken as they are.
        way: of rounding, see :func:`round_through`.

    Raises:
        ValueError: for channels that are read and written, or none.
    """

    def __init__(self, reads: Sequence[int], writes: Sequence[int], translator: nn.Module, way: str = "nearest") -> None:
        super().__init__()
        if not reads or not writes or set(reads) & set(writes):
            raise ValueError(f"reads={tuple(reads)}, writes={tuple(writes)}; give one or more of each, and none in both")
        self.reads, self.writes, self.translator, self.way = tuple(reads), tuple(writes), translator, way

    def forward(
        self, z: Shaped[Tensor, "n c h w"], sign: int = 1, generator: torch.Generator | None = None
    ) -> Shaped[Tensor, "n c h w"]:
        """Move, or with ``sign=-1`` move back."""
        read, written = z[:, self.reads], z[:, self.writes]
        out = z.clone()
        out[:, self.writes] = written + sign * self.shift(read, generator)
        return out

    def shift(self, read: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """round(t(z)), in the dtype of ``read``."""
        if read.is_floating_point():
            return round_through(self.translator(read), self.way, generator)
        if getattr(self.translator, "whole", False):
            return self.translator(read)
        dtype = next(self.translator.parameters()).dtype
        return self.translator(read.to(dtype)).round().to(read.dtype)
