"""Double quantization: the steps are numbers too, and can be rounded like any others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.scales import Parts, ScaleFormat


@dataclass(frozen=True)
class Doubled(ScaleFormat):
    """Steps rounded by a quantizer of their own, all of them in one row: *double quantization* (``dettmers2023qlora``).

    Their mean is subtracted first, so that a symmetric quantizer fits.  The classical choice is 8 bits with blocks of 256: a block of 64
    entries then costs 8 + 32 / 256 bits for its step, and not 32.
    """

    quantizer: Quantizer

    paper = "dettmers2023qlora"

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
