"""Three ways to tame outliers before a model is quantized, each of which leaves the function as it is.

``smoothed`` moves large channels of activations into the weights, ``rotated`` spreads them over a block, ``branched`` takes the largest
directions of a weight out into a small branch in full precision.  They compose:  quantized(branched(smoothed(model, ranges)), ...).
What is quantized afterwards is the layer inside, with what it is given there.
"""

from typing import Any

import torch
from torch import Tensor, nn

from workbench.quantizers.activations import Ranges
from workbench.quantizers.hadamard import block_size, hadamard
from workbench.quantizers.layers import channel_axis
from workbench.quantizers.model import copied, layers_of, net_of, replace_layer


class Scaled(nn.Module):
    """inner(x / scale), a factor for each input channel."""

    def __init__(self, inner: nn.Module, scale: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """The layer on scaled inputs."""
        return self.inner(x / self.scale)


class Rotated(nn.Module):
    """inner(H x), along the input channels."""

    def __init__(self, inner: nn.Module, axis: int, size: int) -> None:
        super().__init__()
        self.inner, self.axis, self.size = inner, axis, size

    def forward(self, x: Tensor) -> Tensor:
        """The layer on rotated inputs."""
        return self.inner(hadamard(x.movedim(self.axis, -1), self.size).movedim(-1, self.axis))


class Branched(nn.Module):
    """inner(x) + up(down(x)): the branch works on the inputs as they come, whatever is done to those of the inner layer."""

    def __init__(self, inner: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.options = {name: getattr(inner, name) for name in ("stride", "padding", "dilation")} if down.ndim == 4 else None
        self.register_buffer("down", down)
        self.register_buffer("up", up)

    def forward(self, x: Tensor) -> Tensor:
        """Both parts."""
        if self.options is None:
            return self.inner(x) + (x @ self.down.T) @ self.up.T
        return self.inner(x) + nn.functional.conv2d(nn.functional.conv2d(x, self.down, **self.options), self.up)


def smoothed(model: Any, ranges: Ranges, alpha: float = 0.5) -> Any:
    """Return ``model`` with channel j of every layer's input divided by s_j and its weights multiplied by it: SmoothQuant
    (``xiao2023smoothquant``), s_j = max|X_j|^alpha / max|W_j|^(1 - alpha).

    At alpha = 1/2 both maxima become sqrt(max|X_j| max|W_j|).

    Args:
        model: a network, or a denoiser with one.
        ranges: of the activations, from ``calibrate(..., each_channel=True)``.
        alpha: 0 leaves the activations alone and evens out the weights, 1 does the reverse.

    Raises:
        ValueError: for an alpha outside 0..1, or ranges that were not measured for each channel.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha} must lie between 0 and 1")
    new = copied(model)
    for name, layer in list(layers_of(net_of(new))):
        if name not in ranges.low:
            continue
        seen = torch.maximum(-ranges.low[name], ranges.high[name]).amax(0)
        weights = _matrix(layer).abs().amax((0, 2))
        if len(seen) != len(weights):
            raise ValueError("these ranges are of whole tensors; measure them with calibrate(..., each_channel=True)")
        scale = (seen.clamp(min=1e-5) ** alpha / weights.clamp(min=1e-5) ** (1 - alpha)).clamp(min=1e-5)
        with torch.no_grad():
            layer.weight.mul_(_along_inputs(scale, layer.weight))
        shape = (len(scale), 1, 1) if channel_axis(layer) == 1 else (len(scale),)
        replace_layer(net_of(new), name, Scaled(layer, scale.view(shape)))
    return new


def rotated(model: Any, size: int = 64) -> Any:
    """Return ``model`` with inputs and weights of every layer rotated by block-diagonal Hadamard matrices (``ashkboos2024quarot``).

    Blocks are of the largest power of two that divides the input channels, at most ``size``.
    """
    new = copied(model)
    for name, layer in list(layers_of(net_of(new))):
        axis, channels = channel_axis(layer), layer.weight.shape[1]
        side = block_size(channels, size)
        with torch.no_grad():
            layer.weight.copy_(hadamard(layer.weight.movedim(1, -1), side).movedim(-1, 1))
        replace_layer(net_of(new), name, Rotated(layer, axis, side))
    return new


def branched(model: Any, rank: int = 16) -> Any:
    """Return ``model`` with the best approximation of rank ``rank`` of every weight in a branch of its own, and the rest in the layer:
    SVDQuant's idea (``li2025svdquant``), to be used after :func:`smoothed`.

    Layers whose smaller side is at most 2 ``rank`` stay as they are: the branch would not be small.

    Raises:
        ValueError: for a rank below 1.
    """
    if rank < 1:
        raise ValueError(f"rank={rank}; a branch needs at least 1")
    new = copied(model)
    for name, layer in list(layers_of(net_of(new))):
        matrix = layer.weight.detach().flatten(1)
        if min(matrix.shape) <= 2 * rank:
            continue
        u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
        root = s[:rank].sqrt()
        up, down = (u[:, :rank] * root).to(matrix), (v[:rank] * root[:, None]).to(matrix)
        with torch.no_grad():
            layer.weight.sub_((up @ down).view_as(layer.weight))
        if channel_axis(layer) == 1:
            up, down = up[:, :, None, None], down.view(rank, *layer.weight.shape[1:])
        replace_layer(net_of(new), name, Branched(layer, down, up))
    return new


def _matrix(layer: nn.Module) -> Tensor:
    """(outputs, inputs, taps)."""
    return layer.weight.detach().flatten(2) if layer.weight.ndim > 2 else layer.weight.detach()[:, :, None]


def _along_inputs(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.view(1, -1, *[1] * (weight.ndim - 2))
