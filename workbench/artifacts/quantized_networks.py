"""Networks in few bits as files: packed codes as they are, everything else in 16 bits, and in the header how to read the codes.

Scales, rotations and branches around layers are stored as well: scales and learned rotations exactly, for a layer's codes were made for
them, branches in 16 bits as other weights, and a Hadamard rotation as its size alone.
"""

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
from workbench.quantizers.wrapped import Branched, Rotated, Scaled, Wrapped, said_of, wrapped_as

_TABLES = ("times", "low", "high")


def pack(net: nn.Module, **about: Any) -> bytes:
    """Return a network from ``quantizers.quantized`` as safetensors, also one that was smoothed, rotated or branched before.

    The file has 8 bytes, the header, and :func:`content_nbytes` of tensors.

    Raises:
        ValueError: for a network without a quantized layer, parts that cannot be built again, or weights that float16 cannot hold.
    """
    said = {name: _said_of(part) for name, part in net.named_modules() if isinstance(part, QuantizedLayer | Wrapped)}
    if not said:
        raise ValueError("no layer of this network is quantized; use networks.pack, or quantizers.quantized first")
    _check(net)
    exact = _exact_names(net)
    tensors = {name: value.contiguous() if name in exact else half(name, value) for name, value in net.state_dict().items()}
    return written(tensors, {**header_of(net, about), "quantized": json.dumps(said)})


def content_nbytes(net: nn.Module) -> int:
    """Bytes of the tensors that :func:`pack` writes: codes and steps of the quantized weights as their quantizers count them, range
    tables, scales and learned rotations in 4 bytes a number, and 2 for every other number."""
    parts = list(net.modules())
    weights = sum(part.quantized.nbytes for part in parts if isinstance(part, QuantizedLayer) and part.quantizer is not None)
    single = sum(
        4 * value.numel() for part in parts if isinstance(part, Static | Scaled | Rotated) for value in part.buffers(False)
    )
    exact = _exact_names(net)
    return weights + single + sum(2 * value.numel() for name, value in net.state_dict().items() if name not in exact)


def unpack(content: bytes) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that :func:`pack` wrote, and what was said about it.  Activations that are rounded stochastically need their
    generators again: set ``layer.activations.generator``.

    Raises:
        ArtifactError: for bytes that are something else, or a quantizer that is not known.
    """
    tensors, header = read(content, ("settings", "about", "quantized"))
    net, clock = build(header), Clock()
    try:
        for name, said in header["quantized"].items():  # what is around a layer comes before it
            if "around" in said:
                replace_layer(net, name, wrapped_as(net.get_submodule(name), said["around"]))
                continue
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


def _check(net: nn.Module) -> None:
    """Refuse what the file could not say."""
    known = (QuantizedLayer, Static, Dynamic, Scaled, Rotated, Branched)
    for name, part in net.named_modules():
        if type(part).__module__.startswith("workbench.quantizers.") and not isinstance(part, known):
            raise ValueError(
                f"{name} is a {type(part).__name__}, which a file cannot hold; round its weights for good first, with quantizers.quantized"
            )


def _exact_names(net: nn.Module) -> set[str]:
    """Names of the tensors that are written as they are."""
    exact = (part for part in net.named_modules() if isinstance(part[1], QuantizedLayer | Static | Scaled | Rotated))
    return {f"{name}.{inner}" for name, part in exact for inner, _ in part.named_buffers(recurse=False)}


def _said_of(part: nn.Module) -> dict[str, Any]:
    if isinstance(part, QuantizedLayer):
        return {"weights": describe(part.quantizer), "activations": _said(part.activations)}
    return {"around": said_of(part)}


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
