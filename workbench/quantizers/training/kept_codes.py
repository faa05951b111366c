"""One byte for all that the way back needs of a number that was rounded to 4 bits: its code, and where it lay between the levels.

The code fills the upper half.  The lower half has round(u) - u from -1/2 to 1/2 on fifteen levels, or 15 for a number that was clipped:
the derivative with respect to a learned step needs it (``esser2020lsq``).
"""

import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor

LOW, HIGH = -8, 7
_PLACES, _CLIPPED = 14, 15


def rounded(u: Float[Tensor, "*shape"]) -> tuple[Int8[Tensor, "*shape"], UInt8[Tensor, "*shape"]]:
    """The codes clamp(round(u), -8, 7) of ``u`` = x / step, and the bytes to keep."""
    code = u.round().clamp(LOW, HIGH)
    inside = (u >= LOW) & (u <= HIGH)
    place = torch.where(inside, ((code - u + 0.5) * _PLACES).round(), _CLIPPED)
    return code.to(torch.int8), ((code - LOW) * 16 + place).to(torch.uint8)


def read(kept: UInt8[Tensor, "*shape"]) -> tuple[Int8[Tensor, "*shape"], Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """The codes, 1 where nothing was clipped and 0 elsewhere, and the slope of  step clamp(round(x / step))  in the step.

    The slope is round(u) - u inside, up to 1/28, and the code where it was clipped.
    """
    code = (kept >> 4).to(torch.int8) + LOW
    place = kept & 15
    inside = (place != _CLIPPED).float()
    return code, inside, torch.where(inside > 0, place / _PLACES - 0.5, code)
