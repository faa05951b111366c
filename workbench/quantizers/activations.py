"""What flows between layers, in few bits: ranges taken from each tensor as it comes, or from a table made beforehand.

The numbers are rounded and restored at once: what is computed is what integer hardware would, and nothing is faster for it.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.quantizers import uniform
from workbench.quantizers.affine import Affine
from workbench.quantizers.quantizer import Quantizer


class Clock:
    """Remembers the times that a network was last called with, for the layers inside; a forward pre-hook of the network.

    Attributes:
        times: (batch,), None before the first call.
    """

    def __init__(self) -> None:
        self.times: Tensor | None = None

    def __call__(self, net: nn.Module, args: tuple[Any, ...]) -> None:
        self.times = args[1]


class Dynamic(nn.Module):
    """Rounds with steps from the tensor itself.

    ``block`` refers to the tensor with its channels last: None is one step for the tensor (which then depends on what else is in the
    batch), (-1,) one for each token or pixel.
    """

    def __init__(self, quantizer: Quantizer, channel_axis: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.quantizer, self.channel_axis, self.generator = quantizer, channel_axis, generator

    def forward(self, x: Tensor) -> Tensor:
        """``x`` rounded."""
        return self.quantizer.simulate(x.movedim(self.channel_axis, -1), self.generator).movedim(-1, self.channel_axis)

    def extra_repr(self) -> str:
        """The quantizer."""
        return str(self.quantizer)


class Static(nn.Module):
    """Rounds with steps from a table over the times of the network, at the nearest time that the table has.

    So every time has an entry; between two of them the steps change at the middle, and beyond the ends they stay.

    Args:
        quantizer: bits, zero and rounding; its block is the table's.
        times: (entries,), increasing.
        low, high: (entries, 1) or (entries, channels), the range at each time.
        clock: knows the time.
    """

    def __init__(
        self,
        quantizer: Affine,
        times: Tensor,
        low: Tensor,
        high: Tensor,
        channel_axis: int,
        clock: Clock,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.quantizer, self.channel_axis, self.clock, self.generator = quantizer, channel_axis, clock, generator
        for name, value in (("times", times), ("low", low), ("high", high)):
            self.register_buffer(name, value.to(torch.float32, copy=True))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` rounded; what lies outside the range of its time is clipped."""
        place = (self.clock.times[:, None] - self.times.to(self.clock.times)).abs().argmin(1)
        shape = [len(x), *[1] * (x.ndim - 1)]
        shape[self.channel_axis] = self.low.shape[1]
        low, high = self.low[place].view(shape), self.high[place].view(shape)
        block = [1 if side > 1 or axis == 0 else -1 for axis, side in enumerate(shape)]
        steps = uniform.from_range(low, high, self.quantizer.bits, block, self.quantizer.zero)
        codes = uniform.quantize(x, steps, self.quantizer.rounding, self.generator)
        return uniform.dequantize(codes, steps)

    def extra_repr(self) -> str:
        """The quantizer, and the size of the table."""
        return f"{self.quantizer}, {len(self.times)} times, channels={self.low.shape[1]}"


class Ranges:
    """The range of the input of every layer over time, as :func:`workbench.quantizers.calibrate` measures it.

    Attributes:
        times: (entries,), increasing: the times of the network, as it is given them.
        low, high: layer name -> (entries, 1), or (entries, channels).
    """

    def __init__(self, times: Tensor, low: Mapping[str, Tensor], high: Mapping[str, Tensor]) -> None:
        self.times, self.low, self.high = times, dict(low), dict(high)

    def __repr__(self) -> str:
        return f"Ranges({len(self.low)} layers, {len(self.times)} times)"
