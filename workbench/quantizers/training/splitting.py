"""Gradients in two 4-bit pieces: one number becomes  step (14 upper + lower)  with whole numbers from -7 to 7.

A gradient needs more than 4 bits, and a product of 4-bit numbers is what the machine is good at.  Two 4-bit pieces are two such products.
Why 14?  What is left after the upper piece is at most half a base, and must fit a lower piece of at most 7: 14 is the largest base
that does.  The pieces reach to 7 * 14 + 7 = 105 steps.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from workbench.quantizers.quantizer import checked
from workbench.quantizers.rounding import stochastic

TOP = 7
BASE = 2 * TOP
REACH = TOP * BASE + TOP


@dataclass(frozen=True, eq=False)
class Split:
    """A tensor in two pieces.

    Attributes:
        upper, lower: int8, from -7 to 7.
        step: one number, float32.
    """

    upper: Int8[Tensor, "*shape"]
    lower: Int8[Tensor, "*shape"]
    step: Float[Tensor, ""]

    def dequantize(self) -> Float[Tensor, "*shape"]:
        """step (14 upper + lower), in float32."""
        return self.step * (BASE * self.upper.float() + self.lower.float())


def largest_base(top: int) -> int:
    """The largest base B for pieces from -``top`` to ``top``: the rest |r| <= B / 2 must be at most ``top``, so B = 2 top.

    Raises:
        ValueError: for a ``top`` below 1.
    """
    if top < 1:
        raise ValueError(f"top is {top}; a piece needs codes up to at least 1")
    return 2 * top


def split(g: Float[Tensor, "*shape"], generator: torch.Generator) -> Split:
    """Split ``g`` without bias:  step = max|g| / 105,  upper = round(g / (14 step)),  lower = g / step - 14 upper by chance.

    E[restored] = g for every entry, with variance step^2 f (1 - f) <= step^2 / 4, f the place of g / step between two whole numbers.  A form
    of the bit splitting of ``xi2023int4`` in which nothing is clipped; :func:`split_as_released` is the published one.

    Raises:
        TypeError, ValueError: for numbers that are no finite floats, or no generator.
    """
    u, step = _in_steps(g, REACH)
    u = u.clamp(-REACH, REACH)
    upper = (u / BASE).round().clamp(-TOP, TOP)
    lower = stochastic(u - BASE * upper, generator)
    return Split(upper.to(torch.int8), lower.to(torch.int8), step.float())


def split_as_released(g: Float[Tensor, "*shape"], generator: torch.Generator) -> Split:
    """The pieces that the program published with ``xi2023int4`` makes: step = 2 max|g| / 196, and both clipped to -6..6.

    Biased: the upper piece of the largest numbers is 6 where it should be 7, and the lower one cannot make good for it.
    :func:`released_mean` has what is restored on average.
    """
    upper, rest, step = _released(g)
    lower = stochastic(rest, generator)
    return Split(upper.to(torch.int8), lower.to(torch.int8), step.float())


def released_mean(g: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The mean of what :func:`split_as_released` restores: g, less what lies beyond 6 steps from its upper piece."""
    upper, rest, step = _released(g)
    return step * (BASE * upper + rest)


def _released(g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The upper piece of the published program, the rest cut to what its lower piece can hold, and the step."""
    u, step = _in_steps(g, 98)
    upper = (u / BASE).clamp(-6, 6).round()
    return upper, (u - BASE * upper).clamp(-6, 6), step


def _in_steps(g: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """``g`` in steps of max|g| / ``reach``, and the step; zeros where all is 0."""
    g = checked(g)
    step = (g.abs().amax() if g.numel() else g.new_zeros(())) / reach
    return torch.where(step > 0, g / step, torch.zeros((), dtype=g.dtype)), step
