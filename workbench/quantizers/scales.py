"""How the steps themselves are stored: they are numbers too, and with small blocks there are many of them.

A format turns the steps of all blocks, 0 for a block of zeros, into stored tensors (``encode``) and back to float32 (``decode``).  A
quantizer rounds with the decoded numbers, so that the codes make good for what storing has changed.  ``level`` is the largest level, in
steps: step times level is the largest entry.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from workbench.quantizers.quantizer import Quantizer

Parts = dict[str, Tensor]


@dataclass(frozen=True)
class Float:
    """A floating-point number for each block: float32 (4 bytes), float16 or bfloat16 (2)."""

    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if self.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise ValueError(f"dtype is {self.dtype}; steps are stored as torch.float32, float16 or bfloat16")

    def encode(self, scale: Tensor, level: float) -> Parts:
        """Cast; what is beyond the format becomes its largest number."""
        return {"scale": scale.clamp(max=torch.finfo(self.dtype).max).to(self.dtype)}

    def decode(self, parts: Mapping[str, Tensor], grid: Sequence[int]) -> Tensor:
        """In float32."""
        return parts["scale"].to(torch.float32)

    def nbytes(self, grid: Sequence[int]) -> int:
        """Bytes for a grid of blocks."""
        return math.prod(grid) * self.dtype.itemsize


@dataclass(frozen=True)
class PowerOfTwo:
    """A power of two for each block in one byte, the exponent + 127 (E8M0); multiplying by it is exact.

    Args:
        rule: "up", the next power at or above the step: nothing is clipped, and the step at worst doubles.  "floor", that of the MX formats
            (``ocp2023mx``): 2^(floor(log2 largest entry) - floor(log2 largest level)), which may clip.
    """

    rule: str = "up"

    def __post_init__(self) -> None:
        if self.rule not in ("up", "floor"):
            raise ValueError(f"rule is {self.rule!r}; choose 'up' (never clips) or 'floor' (as the MX formats do)")

    def encode(self, scale: Tensor, level: float) -> Parts:
        """The exponents.  Blocks of zeros get the smallest."""
        if self.rule == "up":
            fraction, exponent = torch.frexp(scale)
            exponent = exponent - (fraction == 0.5).to(exponent.dtype)  # a power of two is its own
        else:
            largest = (scale.double() * level).float()
            exponent = torch.frexp(largest)[1] - math.frexp(level)[1]
        exponent = torch.where(scale > 0, exponent, -127)
        return {"exponent": (exponent.clamp(-127, 127) + 127).to(torch.uint8)}

    def decode(self, parts: Mapping[str, Tensor], grid: Sequence[int]) -> Tensor:
        """2^(byte - 127) in float32."""
        exponent = parts["exponent"].to(torch.int32) - 127
        return torch.ldexp(torch.ones_like(exponent, dtype=torch.float32), exponent)

    def nbytes(self, grid: Sequence[int]) -> int:
        """Bytes for a grid of blocks."""
        return math.prod(grid)


@dataclass(frozen=True)
class E4M3:
    """Eight-bit floating-point numbers (4 bits of exponent, 3 of mantissa, at most 448), over one float32 for the whole tensor."""

    def encode(self, scale: Tensor, level: float) -> Parts:
        """The largest step becomes 448.  Steps far below it can become 0: such a block is stored as zeros."""
        whole = (scale.amax() if scale.numel() else scale.new_zeros(())).to(torch.float32) / 448
        ratio = torch.where(whole > 0, scale / whole, 0.0).clamp(max=448.0)
        return {"scale": ratio.to(torch.float8_e4m3fn).view(torch.uint8), "whole": whole.reshape(1)}

    def decode(self, parts: Mapping[str, Tensor], grid: Sequence[int]) -> Tensor:
        """Small number times large number, in float32."""
        return parts["scale"].view(torch.float8_e4m3fn).to(torch.float32) * parts["whole"]

    def nbytes(self, grid: Sequence[int]) -> int:
        """Bytes for a grid of blocks."""
        return math.prod(grid) + 4


@dataclass(frozen=True)
class Doubled:
    """Steps rounded by a quantizer of their own, all of them in one row: *double quantization* (``dettmers2023qlora``).

    Their mean is subtracted first, so that a symmetric quantizer fits.  The classical choice is 8 bits with blocks of 256: a block of 64
    entries then costs 8 + 32 / 256 bits for its step, and not 32.
    """

    quantizer: "Quantizer"

    def encode(self, scale: Tensor, level: float) -> Parts:
        """The parts of the quantizer, their names prefixed, and the mean."""
        flat = scale.reshape(-1).to(torch.float32)
        mean = flat.mean() if len(flat) else flat.new_zeros(())
        small = self.quantizer.quantize(flat - mean)
        return {**{f"scale.{name}": tensor for name, tensor in small.parts.items()}, "mean": mean.reshape(1)}

    def decode(self, parts: Mapping[str, Tensor], grid: Sequence[int]) -> Tensor:
        """Never below 0."""
        inner = {name.removeprefix("scale."): tensor for name, tensor in parts.items() if name.startswith("scale.")}
        return (self.quantizer.restore(inner, (math.prod(grid),), torch.float32) + parts["mean"]).clamp(min=0).view(*grid)

    def nbytes(self, grid: Sequence[int]) -> int:
        """Bytes for a grid of blocks."""
        return self.quantizer.nbytes((math.prod(grid),)) + 4


ScaleFormat = Float | PowerOfTwo | E4M3 | Doubled
