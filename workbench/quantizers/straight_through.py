"""Gradients through a staircase: its derivative is 0 nearly everywhere, so training pretends that rounding is not there."""

import torch
from torch import Tensor

from workbench.quantizers.quantizer import Quantizer


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, quantizer: Quantizer, generator: torch.Generator | None) -> Tensor:
        return quantizer.simulate(x, generator)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad, None, None


def straight_through(x: Tensor, quantizer: Quantizer, generator: torch.Generator | None = None) -> Tensor:
    """``quantizer.simulate(x)`` on the way forward, the identity on the way back (``bengio2013estimating``).

    With clip="max" nothing is clipped, and the identity is right on the scale of many steps.  Where the range is to be learned as well, and
    clipped numbers should not pull, use :class:`~workbench.quantizers.LearnedStep`.
    """
    return _StraightThrough.apply(x, quantizer, generator)


straight_through.paper = "bengio2013estimating"
