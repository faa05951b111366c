"""Operations between which numbers flow in 8 bits: each takes them in, works in float32, and gives them out rounded to tiles.

Between two operations a float32 tensor carries the numbers that the codes stand for (autograd wants floating-point tensors); rounded
again, they are themselves.  What is *kept* for the way back is the codes.  Gradients flow in the same form, rounded by chance, so that
each is right on average; the gradient of a weight is not rounded.

    linear       y = round(x W^T + b)                 kept: x
    activation   y = round(phi(x))                    kept: x
    norm         y = round((1 + c) normal(x) + d)     kept: x, and c, one row for each sample
    add          y = round(x + gate z)                kept: z, and the gate, one row for each sample
    fork         the same x twice; the gradients are added and rounded
    enter, leave the borders: round on the way in, round the gradient on the way back

Tensors are (..., width); rows of all samples are one matrix, so a tile reaches over several samples, and results depend a little on what
else is in the batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from workbench.quantizers.training.block_int8 import BlockInt8, quantize
from workbench.quantizers.training.block_product import block_matmul

EPS = 1e-5  # as in nn.LayerNorm


def _matrix(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1]).float()


def _kept(x: Tensor, side: int | None) -> BlockInt8:
    return quantize(_matrix(x), side)


def _nearest(x: Tensor, side: int | None) -> Tensor:
    return _kept(x, side).dequantize().view(x.shape)


def _by_chance(g: Tensor, side: int | None, generator: torch.Generator) -> BlockInt8:
    return quantize(_matrix(g), side, "stochastic", generator, torch.bfloat16)


def _flowing(g: Tensor, side: int | None, generator: torch.Generator) -> Tensor:
    return _by_chance(g, side, generator).dequantize().view(g.shape)


class Enter(torch.autograd.Function):
    """Rounded to nearest on the way in; its gradient has been rounded by whoever sends it."""

    @staticmethod
    def forward(ctx, x, side):
        return _nearest(x, side)

    @staticmethod
    def backward(ctx, g):
        return g, None


class Leave(torch.autograd.Function):
    """Left as it is; its gradient is rounded by chance."""

    @staticmethod
    def forward(ctx, x, side, generator):
        ctx.side, ctx.generator = side, generator
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return _flowing(g, ctx.side, ctx.generator), None, None


class Fork(torch.autograd.Function):
    """The same matrix for two readers; their gradients are added and rounded by chance."""

    @staticmethod
    def forward(ctx, x, side, generator):
        ctx.side, ctx.generator = side, generator
        return x.view_as(x), x.view_as(x)

    @staticmethod
    def backward(ctx, g, h):
        return _flowing(g + h, ctx.side, ctx.generator), None, None


class Linear(torch.autograd.Function):
    """round(x W^T + b).  The weight is rounded for the product, and kept as the parameter that it is anyway."""

    @staticmethod
    def forward(ctx, x, weight, bias, side, generator):
        kept = _kept(x, side)
        ctx.save_for_backward(kept.codes, kept.steps, weight)
        ctx.side, ctx.generator, ctx.biased = side, generator, bias is not None
        y = block_matmul(kept, quantize(weight, side).T)
        y = y if bias is None else y + bias
        return _nearest(y, side).view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx, grad):
        codes, steps, weight = ctx.saved_tensors
        side, x = ctx.side, BlockInt8(codes, steps, ctx.side)
        g = _by_chance(grad, side, ctx.generator)
        to_x = block_matmul(g, quantize(weight, side))
        to_x = _flowing(to_x, side, ctx.generator).view(*grad.shape[:-1], weight.shape[1])
        to_bias = g.dequantize().sum(0) if ctx.biased else None
        return to_x, block_matmul(g.T, x), to_bias, None, None


class Activation(torch.autograd.Function):
    """round(phi(x))."""

    @staticmethod
    def forward(ctx, x, name, side, generator):
        kept = _kept(x, side)
        ctx.save_for_backward(kept.codes, kept.steps)
        ctx.name, ctx.side, ctx.generator = name, side, generator
        return _nearest(ACTIVATIONS[name](kept.dequantize()), side).view(x.shape)

    @staticmethod
    def backward(ctx, g):
        x = BlockInt8(*ctx.saved_tensors, ctx.side).dequantize().view(g.shape)
        (to_x,) = pulled_back(ACTIVATIONS[ctx.name], g, x)
        return _flowing(to_x, ctx.side, ctx.generator), None, None, None


class Norm(torch.autograd.Function):
    """round((1 + scale) normal(x) + shift); mean and deviation are computed again on the way back."""

    @staticmethod
    def forward(ctx, x, shift, scale, side, generator):
        kept = _kept(x, side)
        ctx.save_for_backward(kept.codes, kept.steps, scale)
        ctx.side, ctx.generator = side, generator
        return _nearest(modulated(kept.dequantize().view(x.shape), shift, scale), side)

    @staticmethod
    def backward(ctx, g):
        codes, steps, scale = ctx.saved_tensors
        x = BlockInt8(codes, steps, ctx.side).dequantize().view(g.shape)
        to_x, to_shift, to_scale = pulled_back(modulated, g, x, torch.zeros_like(scale), scale)
        return _flowing(to_x, ctx.side, ctx.generator), to_shift, to_scale, None, None


class Add(torch.autograd.Function):
    """round(x + gate z)."""

    @staticmethod
    def forward(ctx, x, z, gate, side, generator):
        kept = _kept(z, side)
        ctx.save_for_backward(kept.codes, kept.steps, gate)
        ctx.side, ctx.generator = side, generator
        return _nearest(x + gate * kept.dequantize().view(z.shape), side)

    @staticmethod
    def backward(ctx, g):
        codes, steps, gate = ctx.saved_tensors
        z = BlockInt8(codes, steps, ctx.side).dequantize().view(g.shape)
        return g, _flowing(g * gate, ctx.side, ctx.generator), (g * z).sum_to_size(gate.shape), None, None


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """(1 + scale) (x - mean) / std + shift, mean and std over the last axis."""
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale)


def pulled_back(function: Callable[..., Tensor], grad: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of ``inputs`` for the gradient of ``function(*inputs)``."""
    with torch.enable_grad():
        fresh = [x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*fresh), fresh, grad)


def _gelu(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS = {"silu": functional.silu, "gelu": _gelu}
# by the names that activation takes
