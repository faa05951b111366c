"""A step that training finds by itself."""

import math

import torch
from torch import Tensor, nn


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, low: int, high: int, pull: float) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.low, ctx.high, ctx.pull = low, high, pull
        return (x / step).round().clamp(low, high) * step

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, step = ctx.saved_tensors
        u = x / step
        inside = (u >= ctx.low) & (u <= ctx.high)
        slope = torch.where(inside, u.round() - u, u.clamp(ctx.low, ctx.high))
        return grad * inside, (grad * slope).sum_to_size(step.shape) * ctx.pull, None, None, None


class LearnedStep(nn.Module):
    """x -> step clamp(round(x / step), low, high), with a step that is a parameter: LSQ (``esser2020lsq``).

    Backward, with u = x / step:  d/dx = 1 inside and 0 where it is clipped;  d/dstep = round(u) - u inside, low below and high above.
    The gradient of a step is divided by sqrt(n high), n the number of entries that share it, so that it learns at the pace of weights.

    Args:
        x: the first tensor to be rounded, a weight or a batch of activations: step = 2 mean|x| / sqrt(high) at the start.
        bits: 2 to 16.
        signed: codes from -2^(b-1) to 2^(b-1) - 1, else from 0 to 2^b - 1.
        each_row: a step for every row (first axis) of ``x``, and not one for all.

    Raises:
        ValueError: for bits outside 2 to 16, or an ``x`` that is empty or all 0.
    """

    paper = "esser2020lsq"

    def __init__(self, x: Tensor, bits: int = 4, signed: bool = True, each_row: bool = False) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise ValueError(f"bits is {bits}; a learned step needs 2 to 16")
        self.low, self.high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        size = x.detach().abs().flatten(1).mean(1).view(-1, *[1] * (x.ndim - 1)) if each_row else x.detach().abs().mean()
        if not bool((size > 0).all()) or not bool(size.isfinite().all()):
            raise ValueError("a step starts from the mean magnitude of x, which is 0, NaN or infinite here; give typical numbers")
        self.raw = nn.Parameter((2 if signed else 4) * size / math.sqrt(self.high))

    @property
    def step(self) -> Tensor:
        """The step, positive whatever the optimizer did to the parameter."""
        return self.raw.abs().clamp(min=torch.finfo(self.raw.dtype).tiny)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` rounded."""
        step = self.step
        shared = max(x.numel() // step.numel(), 1)
        return _Round.apply(x, step, self.low, self.high, 1 / math.sqrt(shared * self.high))
