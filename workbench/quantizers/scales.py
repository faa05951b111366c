"""How the steps themselves are stored: they are numbers too, and with small blocks there are many of them.

A format turns the steps of all blocks, 0 for a block of zeros, into stored tensors (``encode``) and back to float32 (``decode``).  A
quantizer rounds with the decoded numbers, so that the codes make good for what storing has changed.  ``level`` is the largest level, in
steps: step times level is the largest entry.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Parts = dict[str, Tensor]


class ScaleFormat:
    """Base of the formats."""

    def encode(self, scale: Tensor, level: float) -> Parts:
        """Stored tensors for the steps (\\*grid,)."""
        raise NotImplementedError

    def decode(self, parts: Mapping[str, Tensor], grid: Sequence[int]) -> Tensor:
        """The steps (\\*grid,), float32."""
        raise NotImplementedError

    def nbytes(self, grid: Sequence[int]) -> int:
        """Bytes for a grid of blocks."""
        raise NotImplementedError


@dataclass(frozen=True)
class Float(ScaleFormat):
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
class PowerOfTwo(ScaleFormat):
    """A power of two for each block in one byte, the exponent + 127 (E8M0); multiplying by it is exact.

    Args:
        rule: "up", the next power at or above the step: nothing is clipped, and the step at worst doubles.  "floor", that of the MX formats
            (``rouhani2023mx``): 2^(floor(log2 largest entry) - floor(log2 largest level)), which may clip.
    """

    rule: str = "up"

    paper = "rouhani2023mx"

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
class E4M3(ScaleFormat):
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


SINGLE = Float()
"""The format of steps where nothing else is said: float32."""
