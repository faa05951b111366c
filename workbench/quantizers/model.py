"""A model in few bits: every linear map and every convolution replaced, the rest as it was."""

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from workbench.quantizers.activations import Clock, Dynamic, Ranges, Static
from workbench.quantizers.affine import Affine
from workbench.quantizers.layers import QuantizedLayer, channel_axis
from workbench.quantizers.quantizer import Quantized, Quantizer

Choice = Quantizer | Mapping[str, Quantizer | Quantized | None] | None


def quantized(
    model: Any,
    weights: Choice = None,
    activations: Choice = None,
    *,
    ranges: Ranges | None = None,
    keep: Sequence[str] = (),
    generator: torch.Generator | None = None,
) -> Any:
    """Return a new model with weights and activations of linear maps and convolutions in few bits; ``model`` is left alone.

    Weights are quantized as matrices (outputs, inputs of one output), so ``block=(1, -1)`` is one step for each output and ``(1, 32)``
    groups within it, for convolutions as well.  They are really stored packed.  Biases, norms and embeddings stay as they are.

    Args:
        model: a network, or a denoiser with one in its field ``net``.
        weights: a quantizer for all layers, or one by layer name (see :func:`layers_of`); None, or a name left out, changes nothing.
            By name, a matrix that is quantized already is taken as it is, such as from ``learned_roundings``.
        activations: the same for the input of each layer.
        ranges: measured ranges for the activations, from :func:`calibrate`; without them each tensor gives its own.
        keep: layers that stay in full precision: names, or beginnings of names.
        generator: for stochastic rounding, of the weights now and of the activations in every call.

    Raises:
        TypeError: for a model without a network.
        ValueError: for names that no layer has, a quantized matrix of another shape, or ranges with a quantizer that is not Affine.
    """
    new = copied(model)
    net, clock = net_of(new), Clock()
    names = [name for name, _ in layers_of(net)]
    _check(names, weights, activations, ranges, keep)
    _check_shapes(net, weights)
    for name, layer in list(layers_of(net)):
        small, rough = _for(weights, name), _for(activations, name)
        if name.startswith(tuple(keep)) or (small is None and rough is None):
            continue
        stored = small if small is None or isinstance(small, Quantized) else small.quantize(layer.weight.flatten(1), generator)
        replace_layer(net, name, QuantizedLayer(layer, stored, _rounder(rough, name, layer, ranges, clock, generator)))
    if ranges is not None:
        net.register_forward_pre_hook(clock)
    return new


def layers_of(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names and layers that :func:`quantized` would replace, in order."""
    for name, part in net.named_modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            yield name, part


def nbytes(model: Any) -> int:
    """Bytes of all parameters and buffers that are saved with ``model``: packed weights count packed."""
    return sum(value.numel() * value.element_size() for value in net_of(model).state_dict().values())


def net_of(model: Any) -> nn.Module:
    """The network of a model: itself, or its field ``net``.

    Raises:
        TypeError: where there is none.
    """
    net = model if isinstance(model, nn.Module) else getattr(model, "net", None)
    if not isinstance(net, nn.Module):
        raise TypeError(
            f"{type(model).__name__} has no network to quantize; give an nn.Module, or a denoiser with one in its field net"
        )
    return net


def copied(model: Any) -> Any:
    """The same model with a network of its own."""
    net = copy.deepcopy(net_of(model))
    return net if isinstance(model, nn.Module) else dataclasses.replace(model, net=net)


def replace_layer(net: nn.Module, name: str, layer: nn.Module) -> None:
    """Put ``layer`` in the place called ``name``."""
    owner, _, last = name.rpartition(".")
    setattr(net.get_submodule(owner), last, layer)


def check_names(given: Iterable[str], names: Sequence[str]) -> None:
    """Raise ValueError for a name that no layer has."""
    if unknown := sorted(set(given) - set(names)):
        raise ValueError(f"no layer is called {', '.join(unknown)}; there are {', '.join(names)}")


def _rounder(
    quantizer: Quantizer | None, name: str, layer: nn.Module, ranges: Ranges | None, clock: Clock, generator: torch.Generator | None
) -> nn.Module | None:
    if quantizer is None:
        return None
    if ranges is None:
        return Dynamic(quantizer, channel_axis(layer), generator)
    return Static(quantizer, ranges.times, ranges.low[name], ranges.high[name], channel_axis(layer), clock, generator)


def _check_shapes(net: nn.Module, weights: Choice) -> None:
    for name, layer in layers_of(net):
        given, shape = _for(weights, name), layer.weight.flatten(1).shape
        if isinstance(given, Quantized) and given.shape != shape:
            raise ValueError(f"{name} needs a matrix {tuple(shape)}, and the quantized one is {tuple(given.shape)}")


def _for(choice: Choice, name: str) -> Quantizer | Quantized | None:
    return choice.get(name) if isinstance(choice, Mapping) else choice


def _check(names: Sequence[str], weights: Choice, activations: Choice, ranges: Ranges | None, keep: Sequence[str]) -> None:
    """Refuse what would silently do nothing."""
    for what in (weights, activations):
        if isinstance(what, Mapping):
            check_names(what, names)
    for start in [keep] if isinstance(keep, str) else keep:
        if not any(name.startswith(start) for name in names):
            raise ValueError(f"no layer's name begins with {start!r}; there are {', '.join(names)}")
    if ranges is not None:
        used = [q for name in names if (q := _for(activations, name)) is not None]
        if not all(isinstance(q, Affine) and q.zero != "free" for q in used):
            raise ValueError("measured ranges need Affine activations with zero='center' or 'integer'")
        missing = [name for name in names if _for(activations, name) is not None and name not in ranges.low]
        if missing:
            raise ValueError(f"no range was measured for {', '.join(missing)}; calibrate with a run that uses them, or keep them")
