"""Networks in few bits as files: packed codes as they are, everything else in 16 bits, and in the header how to read the codes."""

import json
from typing import Any

import torch
from torch import Tensor, nn

from workbench.artifacts.manifest import ArtifactError
from workbench.artifacts.networks import build, half, header_of, read, written
from workbench.quantizers.activations import Clock, Dynamic, Static
from workbench.quantizers.description import describe, from_description
from workbench.quantizers.layers import PREFIX, QuantizedLayer, blank, channel_axis
from workbench.quantizers.model import replace_layer

_TABLES = ("times", "low", "high")


def pack(net: nn.Module, **about: Any) -> bytes:
    """Return a network from ``quantizers.quantized`` as safetensors.

    The file has 8 bytes, the header, and :func:`content_nbytes` of tensors.

    Raises:
        ValueError: for a network without a quantized layer, or weights that float16 cannot hold.
    """
    layers = {name: part for name, part in net.named_modules() if isinstance(part, QuantizedLayer)}
    if not layers:
        raise ValueError("no layer of this network is quantized; use networks.pack, or quantizers.quantized first")
    exact = _exact_names(layers)
    tensors = {name: value.contiguous() if name in exact else half(name, value) for name, value in net.state_dict().items()}
    said = {name: {"weights": describe(layer.quantizer), "activations": _said(layer.activations)} for name, layer in layers.items()}
    return written(tensors, {**header_of(net, about), "quantized": json.dumps(said)})


def content_nbytes(net: nn.Module) -> int:
    """Bytes of the tensors that :func:`pack` writes: codes and steps of the quantized weights as their quantizers count them, range
    tables in 4 bytes a number, and 2 for every other number."""
    layers = {name: part for name, part in net.named_modules() if isinstance(part, QuantizedLayer)}
    exact = _exact_names(layers)
    weights = sum(layer.quantized.nbytes for layer in layers.values() if layer.quantizer is not None)
    tables = sum(
        4 * part.numel()
        for layer in layers.values()
        if isinstance(layer.activations, Static)
        for part in layer.activations.buffers()
    )
    return weights + tables + sum(2 * value.numel() for name, value in net.state_dict().items() if name not in exact)


def unpack(content: bytes) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that :func:`pack` wrote, and what was said about it.  Activations that are rounded stochastically need their
    generators again: set ``layer.activations.generator``.

    Raises:
        ArtifactError: for bytes that are something else, or a quantizer that is not known.
    """
    tensors, header = read(content, ("settings", "about", "quantized"))
    net, clock = build(header), Clock()
    try:
        for name, said in header["quantized"].items():
            layer = net.get_submodule(name)
            weight = None if said["weights"] is None else blank(layer, from_description(said["weights"]))
            replace_layer(net, name, QuantizedLayer(layer, weight, _rounder(said["activations"], name, layer, tensors, clock)))
        plain = {
            name: value.float() if value.dtype == torch.float16 and not _is_part(name) else value for name, value in tensors.items()
        }
        net.load_state_dict(plain)
    except (KeyError, AttributeError, TypeError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"this file does not fit together, or a newer version wrote it: {error}") from error
    if any(isinstance(part, Static) for part in net.modules()):
        net.register_forward_pre_hook(clock)
    return net.requires_grad_(False).eval(), header["about"]


def _exact_names(layers: dict[str, QuantizedLayer]) -> set[str]:
    """Names of the tensors that are written as they are."""
    return {f"{name}.{inner}" for name, layer in layers.items() for inner, _ in layer.named_buffers()}


def _is_part(name: str) -> bool:
    return PREFIX in name


def _said(activations: nn.Module | None) -> dict[str, Any] | None:
    if activations is None:
        return None
    return {"table": isinstance(activations, Static), "quantizer": describe(activations.quantizer)}


def _rounder(
    said: dict[str, Any] | None, name: str, layer: nn.Module, tensors: dict[str, Tensor], clock: Clock
) -> nn.Module | None:
    if said is None:
        return None
    quantizer, axis = from_description(said["quantizer"]), channel_axis(layer)
    if not said["table"]:
        return Dynamic(quantizer, axis, None)
    return Static(quantizer, *(tensors[f"{name}.activations.{part}"] for part in _TABLES), axis, clock, None)
