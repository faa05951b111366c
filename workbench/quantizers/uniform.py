"""Evenly spaced levels: choose a step, divide and round, multiply back.  Three pure functions.

    zero = "center"    code q from -Q to Q,  Q = 2^(b-1) - 1:   x ~ step q,             step = max|x| / Q
    zero = "integer"   code q from 0 to 2^b - 1:                x ~ step (q - zero),    step = (max - min) / (2^b - 1)
    zero = "free"      the same codes:                          x ~ start + step q,     start = min

The first two have the number 0 among their levels: what is 0 stays 0 (padding, ReLU, an absent condition).  For that "integer" takes
min <= 0 <= max.  The last has min and max among its levels instead.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.quantizers import blocks
from workbench.quantizers.rounding import round_to_whole
from workbench.quantizers.scales import SINGLE, Parts, ScaleFormat

ZEROS = ("center", "integer", "free")


@dataclass(frozen=True, eq=False)
class Steps:
    """What is chosen for a tensor: one step for each block, and where the levels lie.

    Attributes:
        step: (\\*grid,) float32.
        zero: (\\*grid,) the code of 0, for "integer".
        start: (\\*grid,) the lowest level, for "free".
        low, high: the codes.
        block: which entries share a step.
        parts: the stored form of ``step``.
    """

    step: Tensor
    zero: Tensor | None
    start: Tensor | None
    low: int
    high: int
    block: blocks.Block
    parts: Parts


def codes_of(bits: int, zero: str) -> tuple[int, int]:
    """The lowest and the highest code.

    Raises:
        ValueError: for an unknown ``zero``, or one bit with "center", which would leave the level 0 alone.
    """
    if zero not in ZEROS:
        raise ValueError(f"zero is {zero!r}; choose one of {', '.join(map(repr, ZEROS))}")
    if zero != "center":
        return 0, 2**bits - 1
    if bits < 2:
        raise ValueError("zero='center' needs at least 2 bits; with 1 take zero='free', or Codebook((-1.0, 1.0))")
    return 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1


def choose(
    x: Tensor,
    bits: int,
    block: blocks.Block = None,
    zero: str = "center",
    shrink: Tensor | float = 1.0,
    scales: ScaleFormat = SINGLE,
) -> Steps:
    """Choose the step of every block of ``x``, from its largest and smallest entries.

    Args:
        x: finite floating-point numbers.
        bits: of a code.
        block: which entries share a step.
        zero: where 0 lies among the levels, as above.
        shrink: a factor in (0, 1] on the range, one for all or (\\*grid,): what is outside is clipped.
        scales: how steps are stored; ``step`` is what can be read back.

    Raises:
        ValueError: for a range beyond float32, or as :func:`codes_of`.
    """
    cells = blocks.cells(x, block)
    if cells.numel():
        bottom, top = cells.aminmax(dim=-1)
    else:
        bottom = top = cells.new_zeros(cells.shape[:-1])
    return from_range(bottom.double() * shrink, top.double() * shrink, bits, block, zero, scales)


def from_range(
    bottom: Tensor, top: Tensor, bits: int, block: blocks.Block = None, zero: str = "center", scales: ScaleFormat = SINGLE
) -> Steps:
    """The steps that reach from ``bottom`` to ``top``, (\\*grid,) each: :func:`choose` for ranges that are known already."""
    low, high = codes_of(bits, zero)
    bottom, top = bottom.double(), top.double()
    if zero == "center":
        reach = torch.maximum(-bottom, top)
    else:
        if zero == "integer":
            bottom, top = bottom.clamp(max=0), top.clamp(min=0)
        reach = top - bottom
    ideal = reach / high
    if ideal.numel() and float(ideal.max()) > torch.finfo(torch.float32).max:
        raise ValueError(f"a step of {float(ideal.max()):.3g} is beyond float32; divide the numbers by a constant first")
    parts = scales.encode(ideal, float(high))
    step = scales.decode(parts, ideal.shape)
    point = over(-bottom, step.double()).round().clamp(low, high).to(torch.float32) if zero == "integer" else None
    return Steps(step, point, bottom.to(torch.float32) if zero == "free" else None, low, high, block, parts)


def quantize(x: Tensor, steps: Steps, rounding: str = "nearest", generator: torch.Generator | None = None) -> Tensor:
    """Return whole numbers from ``steps.low`` to ``steps.high`` in the shape and dtype of ``x``.

    What lies outside the levels goes to the nearest one *before* it is rounded, so stochastic rounding stays inside, and unbiased there.
    A block whose step is 0 gets the code of 0.
    """
    return round_to_whole(positions(x, steps).clamp(steps.low, steps.high), rounding, generator)


def positions(x: Tensor, steps: Steps) -> Tensor:
    """Where each number lies among the levels, as a code that is not yet whole, and not yet clipped."""
    if steps.start is not None:
        x = x - _entries(steps.start, x, steps)
    u = over(x, _entries(steps.step, x, steps))
    return u if steps.zero is None else u + _entries(steps.zero, x, steps)


def dequantize(codes: Tensor, steps: Steps) -> Tensor:
    """Return the numbers that ``codes`` (floating-point, as :func:`quantize` gives them) stand for."""
    if steps.zero is not None:
        codes = codes - _entries(steps.zero, codes, steps)
    x = codes * _entries(steps.step, codes, steps)
    return x if steps.start is None else x + _entries(steps.start, codes, steps)


def _entries(values: Tensor, x: Tensor, steps: Steps) -> Tensor:
    return blocks.spread(values.to(x.dtype), x.shape, steps.block)


def over(x: Tensor, step: Tensor) -> Tensor:
    """x / step, and 0 where the step is 0."""
    return torch.where(step > 0, x / step, torch.zeros((), dtype=x.dtype, device=x.device))
