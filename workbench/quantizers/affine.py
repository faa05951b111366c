"""The uniform quantizer: choose, quantize, dequantize in one object."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.quantizers import blocks, clipping, uniform
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.scales import Parts


@dataclass(frozen=True)
class Affine(Quantizer):
    """x ~ step (q - zero) with whole numbers q, evenly spaced levels.

    Rounding to nearest makes an error of at most step / 2, of mean square step^2 / 12 where the numbers are spread over many steps;
    stochastic rounding has the right mean, and step^2 / 6.  A symmetric quantizer with Q = 2^(b-1) - 1 positive levels has a
    signal-to-noise ratio of 20 log10(2 Q) decibels on uniform numbers: not quite 6.02 b.

        >>> small = Affine(bits=4, block=(1, 32)).quantize(torch.ones(2, 64))
        >>> small.nbytes, small.bits_per_entry  # 64 bytes of codes, 4 steps of 4 bytes
        (80, 5.0)

    Args:
        bits: of a code, 1 to 16.
        block: which entries share a step: None, or a tuple such as (1, -1) or (1, 32).
        rounding: "nearest" or "stochastic".
        scales: how the steps are stored: ``Float()``, ``PowerOfTwo()``, ...
        zero: "center" (symmetric), "integer" (a zero point among the codes), or "free" (smallest and largest entry are levels).
        clip: "max" clips nothing; "mse" shrinks the range of each block to where the squared error is smallest.

    Raises:
        ValueError: for a word that is not known, or 1 bit with zero="center".
    """

    zero: str = "center"
    clip: str = "max"

    paper = "gray1998quantization"

    def __post_init__(self) -> None:
        super().__post_init__()
        uniform.codes_of(self.bits, self.zero)
        if self.clip not in ("max", "mse"):
            raise ValueError(f"clip is {self.clip!r}; choose 'max' (the whole range) or 'mse' (the range of least squared error)")

    @property
    def levels(self) -> tuple[int, int]:
        """The lowest and the highest code q."""
        return uniform.codes_of(self.bits, self.zero)

    def choose(self, x: Tensor) -> uniform.Steps:
        """The steps for ``x``, as :func:`workbench.quantizers.uniform.choose` gives them."""
        shrink = clipping.best_shrink(x, self.bits, self.block, self.zero) if self.clip == "mse" else 1.0
        return uniform.choose(x, self.bits, self.block, self.zero, shrink, self.scales)

    def encode(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Parts]:
        """Codes counted from 0, and the stored steps."""
        steps = self.choose(x)
        codes = uniform.quantize(x, steps, self.rounding, generator) - steps.low
        parts = dict(steps.parts)
        if steps.zero is not None:
            parts["zero"] = steps.zero.to(self._zero_dtype) if self.bits <= 8 else (steps.zero - 2**15).to(self._zero_dtype)
        if steps.start is not None:
            parts["start"] = steps.start
        return codes.to(torch.uint8 if self.bits <= 8 else torch.int32), parts

    def decode(self, codes: Tensor, parts: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
        """The numbers that codes counted from 0 stand for."""
        steps = self.steps(parts, codes.shape)
        return uniform.dequantize(codes.to(dtype).add_(steps.low), steps)

    def steps(self, parts: Mapping[str, Tensor], shape: Sequence[int]) -> uniform.Steps:
        """The stored steps of a tensor of ``shape``."""
        low, high = self.levels
        zero = parts["zero"].to(torch.float32) + (0 if self.bits <= 8 else 2**15) if self.zero == "integer" else None
        step = self.scales.decode(parts, blocks.grid(shape, self.block))
        return uniform.Steps(step, zero, parts.get("start"), low, high, self.block, dict(parts))

    def side_nbytes(self, grid: Sequence[int]) -> int:
        """Steps, and for each block a zero point (1 byte, 2 beyond 8 bits) or a start (4 bytes)."""
        each = {"center": 0, "integer": self._zero_dtype.itemsize, "free": 4}[self.zero]
        return self.scales.nbytes(grid) + each * math.prod(grid)

    @property
    def _zero_dtype(self) -> torch.dtype:
        return torch.uint8 if self.bits <= 8 else torch.int16
