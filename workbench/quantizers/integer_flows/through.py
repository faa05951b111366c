"""Rounding that gradients can pass: whole numbers on the way forward, a slope that is not zero on the way back."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.quantizers import rounding

WAYS = ("nearest", "stochastic", "sigmoids")


def round_through(
    x: Float[Tensor, "*shape"], way: str = "nearest", generator: torch.Generator | None = None, *, temperature: float = 0.1
) -> Float[Tensor, "*shape"]:
    """Return ``x`` rounded to whole numbers, with a gradient.

    "nearest": round to nearest, slope 1: the straight-through estimator (``bengio2013estimating``).

    "stochastic": up with probability x - floor(x), slope 1, which is then the slope of the mean.

    "sigmoids": round to nearest, with the slope of a smooth staircase, sum_k sigmoid((x - k - 1/2) / T).  Over a whole step the slope has
    the mean 1; a large T brings it close to 1 everywhere, a small T leaves it only near the edges.

    Args:
        x: any numbers.
        way: one of the three.
        generator: for "stochastic".
        temperature: T, in steps.

    Raises:
        ValueError: for another way, no generator where one is needed, or a temperature that is not positive.
    """
    if way not in WAYS:
        raise ValueError(f"way is {way!r}; choose one of {', '.join(map(repr, WAYS))}")
    if way == "stochastic":
        return x + (rounding.stochastic(x.detach(), generator) - x.detach())
    if way == "nearest":
        return _Rounded.apply(x, None)
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; the smooth staircase needs a positive one, such as 0.1")
    return _Rounded.apply(x, temperature)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, temperature: float | None) -> Tensor:
        ctx.temperature = temperature
        ctx.save_for_backward(x)
        return x.round()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return (grad if ctx.temperature is None else grad * slope(x, ctx.temperature)), None


def slope(x: Float[Tensor, "*shape"], temperature: float) -> Float[Tensor, "*shape"]:
    """The derivative of the smooth staircase, from as many of its edges as matter: sum_k s (1 - s) / T, s = sigmoid((x - k - 1/2) / T)."""
    reach = 1 + int(20 * temperature)
    above = x - x.floor() - 0.5
    edges = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    s = torch.sigmoid((above[..., None] - edges) / temperature)
    return (s * (1 - s)).sum(-1) / temperature
