"""What all quantizers share: codes are packed, steps are stored, and the result knows its bytes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from workbench.quantizers import blocks, packing, rounding
from workbench.quantizers.scales import Float, Parts, ScaleFormat


@runtime_checkable
class Restoring(Protocol):
    """What can read stored parts: every :class:`Quantizer`, and what stores numbers without codes."""

    def restore(self, parts: Mapping[str, Tensor], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The numbers that they stand for."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """A tensor in few bits.

    Attributes:
        quantizer: what made it, and reads it.
        shape, dtype: of the tensor that was quantized.
        parts: what is stored: "codes", packed, and what the quantizer needs to read them ("scale", ...).
    """

    quantizer: "Quantizer | Restoring"
    shape: torch.Size
    dtype: torch.dtype
    parts: Parts = field(repr=False)

    def dequantize(self) -> Tensor:
        """The tensor that the codes stand for, in the shape and dtype of the original."""
        return self.quantizer.restore(self.parts, self.shape, self.dtype)

    @property
    def codes(self) -> Tensor:
        """The codes, unpacked, as the numbers that are stored: 0 to 2^bits - 1."""
        return packing.unpack(self.parts["codes"], self.quantizer.bits, math.prod(self.shape)).view(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all that is stored."""
        return sum(part.numel() * part.element_size() for part in self.parts.values())

    @property
    def bits_per_entry(self) -> float:
        """8 nbytes / entries: the bits of the codes, and the share of the steps."""
        return 8 * self.nbytes / max(math.prod(self.shape), 1)


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """Base of :class:`Affine` and :class:`Codebook`.  An immutable description; all randomness comes with the call.

    Args:
        bits: of a code, 1 to 16.
        block: which entries share a step, see :mod:`workbench.quantizers.blocks`.
        rounding: "nearest" or "stochastic", which keeps the mean.
        scales: how the steps are stored.

    A kind of quantizer has ``encode(x, generator) -> (codes, parts)``, ``decode(codes, parts, dtype) -> x`` (both in float32 or float64) and
    ``side_nbytes(grid)``, the bytes beside the codes.
    """

    bits: int = 8
    block: blocks.Block = None
    rounding: str = "nearest"
    scales: ScaleFormat = Float()

    def __post_init__(self) -> None:
        packing.widths(self.bits)
        rounding.check(self.rounding)
        object.__setattr__(self, "block", blocks.check(self.block))

    @torch.no_grad()
    def quantize(self, x: Tensor, generator: torch.Generator | None = None) -> Quantized:
        """Return ``x`` in few bits.

        Args:
            x: floating-point numbers, any shape; an empty tensor is fine.
            generator: for stochastic rounding.

        Raises:
            TypeError: for a tensor that is not floating-point.
            ValueError: for NaN, infinity, a block with more axes than ``x``, a range beyond float32, or a missing generator.
        """
        work = checked(x)
        codes, parts = self.encode(work, generator)
        return Quantized(self, x.shape, x.dtype, {"codes": packing.pack(codes, self.bits), **parts})

    @torch.no_grad()
    def simulate(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """``quantize(x, generator).dequantize()``, the same numbers without packing."""
        work = checked(x)
        codes, parts = self.encode(work, generator)
        return self.decode(codes, parts, work.dtype).to(x.dtype)

    def restore(self, parts: Mapping[str, Tensor], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """What stored parts stand for; ``Quantized.dequantize`` for parts that come from a file."""
        codes = packing.unpack(parts["codes"], self.bits, math.prod(shape)).view(torch.Size(shape))
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        return self.decode(codes, parts, wide).to(dtype)

    def nbytes(self, shape: Sequence[int]) -> int:
        """Bytes that a tensor of ``shape`` takes, without making one: codes, and steps of its blocks."""
        return packing.nbytes(math.prod(shape), self.bits) + self.side_nbytes(blocks.grid(shape, self.block))

    def encode(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Parts]:
        """Whole numbers from 0 to 2^bits - 1 in the shape of ``x``, and the parts that decode them."""
        raise NotImplementedError

    def decode(self, codes: Tensor, parts: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
        """The numbers that codes stand for."""
        raise NotImplementedError

    def side_nbytes(self, grid: Sequence[int]) -> int:
        """Bytes stored beside the codes."""
        return self.scales.nbytes(grid)


def checked(x: Tensor) -> Tensor:
    """``x`` without its history, in float32 (float64 stays).

    Raises:
        TypeError: for another kind of numbers.
        ValueError: for NaN or infinity.
    """
    if not x.is_floating_point():
        raise TypeError(f"got {x.dtype}; a quantizer rounds floating-point numbers, so convert first, e.g. with .float()")
    if x.numel() and not bool(x.abs().amax().isfinite()):  # a NaN is the largest of all
        bad = int((~x.isfinite()).sum())
        raise ValueError(f"{bad} of {x.numel()} numbers are NaN or infinite; find out why, or replace them first")
    return x.detach() if x.dtype == torch.float64 else x.detach().to(torch.float32)
