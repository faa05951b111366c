"""Three ways to tame outliers before a model is quantized, each of which leaves the function as it is.

``smoothed`` moves large channels of activations into the weights, ``rotated`` spreads them over a block, ``branched`` takes the largest
directions of a weight out into a small branch in full precision.  They compose:  quantized(branched(smoothed(model, ranges)), ...).
What is quantized afterwards is the layer inside, with what it is given there.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.quantizers.activations import Ranges
from workbench.quantizers.cayley import check_orthogonal
from workbench.quantizers.hadamard import block_size, hadamard, turned
from workbench.quantizers.layers import channel_axis
from workbench.quantizers.low_rank import low_rank, refined_low_rank
from workbench.quantizers.model import check_names, copied, layers_of, net_of, replace_layer
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.wrapped import Branched, Rotated, Scaled


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


def rotated(model: Any, size: int = 64, learned: Mapping[str, Tensor] | None = None) -> Any:
    """Return ``model`` with inputs and weights of every layer rotated by block-diagonal Hadamard matrices (``ashkboos2024quarot``).

    Blocks are of the largest power of two that divides the input channels, at most ``size``.

    Args:
        model: a network, or a denoiser with one.
        size: of the largest block.
        learned: orthogonal matrices for layers by name, in place of Hadamard ones (``liu2025spinquant``): see :func:`learned_rotation`.
            All blocks of a layer share the matrix.

    Raises:
        ValueError: for a size below 1, names that no layer has, or matrices that are not orthogonal, or do not fit.
    """
    new, learned = copied(model), dict(learned or {})
    check_names(learned, [name for name, _ in layers_of(net_of(new))])
    for name, layer in list(layers_of(net_of(new))):
        axis, channels = channel_axis(layer), layer.weight.shape[1]
        matrix = learned.get(name)
        side = block_size(channels, size) if matrix is None else check_orthogonal(matrix, channels)
        weight = layer.weight.detach().movedim(1, -1)
        with torch.no_grad():
            layer.weight.copy_((hadamard(weight, side) if matrix is None else turned(weight, matrix)).movedim(-1, 1))
        replace_layer(net_of(new), name, Rotated(layer, axis, side, None if matrix is None else matrix.detach().clone()))
    return new


def branched(model: Any, rank: int = 16, rest: Quantizer | None = None, rounds: int = 100) -> Any:
    """Return ``model`` with the best approximation of rank ``rank`` of every weight in a branch of its own, and the rest in the layer:
    SVDQuant's idea (``li2025svdquant``), to be used after :func:`smoothed`.

    Layers whose smaller side is at most 2 ``rank`` stay as they are: the branch would not be small.

    Args:
        model: a network, or a denoiser with one.
        rank: of the branch.
        rest: the quantizer that the rest is meant for; with it the branch is refined as :func:`workbench.quantizers.refined_low_rank` does.
        rounds: of that, at most.

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
        up, down = low_rank(matrix, rank) if rest is None else refined_low_rank(matrix, rank, rest, rounds)
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
