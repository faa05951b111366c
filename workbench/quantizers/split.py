"""Steps of their own for parts of a tensor that come from different places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.quantizers import blocks, packing
from workbench.quantizers.affine import Affine
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.scales import Parts


@dataclass(frozen=True)
class Split(Quantizer):
    """The last axis cut into parts of ``sizes``, each rounded by ``inner`` as if it stood alone (``li2023qdiffusion``).

    For what is concatenated: the features of a U-Net and those that skipped its deeper half have different ranges, and with one step for
    both the smaller ones get few levels.  An entry's step, and so the bound on its error, is never larger than the joint one.  As weights,
    matrices (outputs, inputs times taps), sizes count the columns: channels times taps.

        >>> Split(inner=Affine(bits=4), sizes=(2, 2)).simulate(torch.tensor([0.1, -0.7, 50.0, 70.0])).tolist()
        [0.10000000149011612, -0.699999988079071, 50.0, 70.0]

    Args:
        inner: of every part; its bits, rounding and scales are those of the whole.
        sizes: of the parts, in order.

    Raises:
        ValueError: for no sizes, a size below 1, or, when a tensor is quantized, sizes that do not add up to its last axis.
    """

    inner: Quantizer = Affine()
    sizes: tuple[int, ...] = ()

    paper = "li2023qdiffusion"

    def __post_init__(self) -> None:
        sizes = tuple(self.sizes)
        if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
            raise ValueError(f"sizes={sizes}; give the widths of the parts along the last axis, whole numbers of at least 1")
        object.__setattr__(self, "sizes", sizes)
        for name in ("bits", "block", "rounding", "scales"):
            object.__setattr__(self, name, getattr(self.inner, name))

    def encode(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Parts]:
        """The codes side by side, the stored steps of part k under "k."."""
        self._fits(x.shape)
        codes, parts = [], {}
        for k, part in enumerate(x.split(self.sizes, -1)):
            found, steps = self.inner.encode(part, generator)
            codes.append(found)
            parts |= {f"{k}.{name}": value for name, value in steps.items()}
        return torch.cat(codes, -1), parts

    def decode(self, codes: Tensor, parts: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
        """Each part by itself."""
        pieces = codes.split(self.sizes, -1)
        own = [{name.removeprefix(f"{k}."): p for name, p in parts.items() if name.startswith(f"{k}.")} for k in range(len(pieces))]
        return torch.cat([self.inner.decode(piece, steps, dtype) for piece, steps in zip(pieces, own, strict=True)], -1)

    def nbytes(self, shape: Sequence[int]) -> int:
        """Bytes of the codes, and of the steps of every part."""
        self._fits(shape)
        grids = [blocks.grid((*shape[:-1], size), self.inner.block) for size in self.sizes]
        return packing.nbytes(torch.Size(shape).numel(), self.bits) + sum(self.inner.side_nbytes(grid) for grid in grids)

    def _fits(self, shape: Sequence[int]) -> None:
        if not len(shape) or shape[-1] != sum(self.sizes):
            raise ValueError(f"parts of {self.sizes} are {sum(self.sizes)} entries together, and the tensor is {tuple(shape)}")
