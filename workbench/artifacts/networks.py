"""Networks as files: weights in 16 bits (or 8, for checkpoints on the way), with everything needed to build the network again.

A file is safetensors; its header holds the network's class and settings, and for a denoiser how it is preconditioned.  So a file
explains itself, and nothing is executed to read it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from workbench.artifacts.manifest import ArtifactError
from workbench.denoiser import Denoiser

_LARGEST = torch.finfo(torch.float16).max
_ASIDE = "aside/"  # before the names of tensors that are not the network's


def pack(net: nn.Module, tensors: Mapping[str, Tensor] | None = None, **about: Any) -> bytes:
    """Return ``net`` as safetensors: floating-point weights in float16, ``about`` and ``net.settings`` in the header.

    ``tensors`` are what else has to be known, in float32; :func:`unpack` hands them back in ``about["tensors"]``.

    Raises:
        ValueError: for weights that float16 cannot hold.
    """
    more = {_ASIDE + name: value.to(torch.float32).contiguous() for name, value in (tensors or {}).items()}
    return written({name: half(name, value) for name, value in net.state_dict().items()} | more, header_of(net, about))


def pack_history(nets: Mapping[int, nn.Module], **about: Any) -> bytes:
    """Return several states of one network, by the number of images they had seen: matrices in 8 bits with a scale for each row."""
    tensors: dict[str, Tensor] = {}
    for images, net in nets.items():
        for name, value in net.state_dict().items():
            if value.is_floating_point() and value.ndim > 1:
                scale = value.flatten(1).abs().amax(1).clamp(min=1e-30) / 127
                rows = scale.view(-1, *[1] * (value.ndim - 1))
                tensors[f"{images}/{name}"] = (value / rows).round().to(torch.int8).contiguous()
                tensors[f"{images}/{name}/scale"] = scale.to(torch.float32)
            else:
                tensors[f"{images}/{name}"] = half(name, value)
    return written(tensors, header_of(next(iter(nets.values())), about))


def unpack(content: bytes) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that :func:`pack` wrote, in float32, and what was said about it.

    Raises:
        ArtifactError: for bytes that are something else.
    """
    tensors, header = read(content)
    more = {name.removeprefix(_ASIDE): tensors.pop(name) for name in sorted(tensors) if name.startswith(_ASIDE)}
    return _built(header, tensors), header["about"] | ({"tensors": more} if more else {})


def unpack_history(content: bytes) -> tuple[dict[int, nn.Module], dict[str, Any]]:
    """Return the networks that :func:`pack_history` wrote, by the number of images they had seen, in increasing order."""
    tensors, header = read(content)
    seen = sorted({int(key.partition("/")[0]) for key in tensors})
    return {images: _built(header, _moment(tensors, f"{images}/")) for images in seen}, header["about"]


def _moment(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """One network of a history, in float32: one at a time, for all of them at once would double the memory."""
    state = {}
    for key, value in tensors.items():
        if key.startswith(prefix) and not key.endswith("/scale"):
            if (scale := tensors.get(f"{key}/scale")) is not None:
                value = value.to(torch.float32) * scale.view(-1, *[1] * (value.ndim - 1))
            state[key.removeprefix(prefix)] = value
    return state


def denoiser(net: nn.Module, about: Mapping[str, Any]) -> Denoiser:
    """The network inside the formula that it was trained in: a denoiser on ``VE``, a flow on ``Rectified``.

    ``about["preconditioning"]`` is "gaussian" (with the first ``about["rank"]`` eigenvectors of CIFAR-10's law, and
    ``about["shows_base"]``), "edm" (with ``about["sigma_data"]``), "flow", or "coupling" (a flow around the affine velocity of its
    pairs, whose mean, variances and correlations along the same eigenvectors are in ``about["tensors"]``).
    """
    from workbench.characters import cifar10
    from workbench.gaussian import GaussianCoupling, GaussianPreconditioned
    from workbench.network import NetworkDenoiser
    from workbench.preconditioned import EDMDenoiser
    from workbench.schedules import VE, Rectified

    kind = about.get("preconditioning")
    if kind == "gaussian":
        return GaussianPreconditioned(net, cifar10(VE(), about["rank"]), shows_base=about["shows_base"])
    if kind == "edm":
        return EDMDenoiser(net, about["sigma_data"])
    if kind == "flow":
        return NetworkDenoiser(net, Rectified(), "velocity")
    if kind == "coupling":
        from workbench.reflow import FlowPreconditioned

        told = {name: value.to(torch.float64) for name, value in about["tensors"].items()}
        covariance = cifar10(VE(), about["rank"]).covariance.map(lambda _: told["variances"])
        return FlowPreconditioned(net, GaussianCoupling(told["mean"], covariance, told["correlation"]))
    raise ArtifactError(f"preconditioning {kind!r} is not known to this version; update the package")


def half(name: str, value: Tensor) -> Tensor:
    """``value`` in float16; whole numbers as they are.

    Raises:
        ValueError: for what float16 cannot hold.
    """
    if not value.is_floating_point():
        return value.contiguous()
    if not bool((value.abs() <= _LARGEST).all()):  # catches NaN too
        raise ValueError(
            f"{name} holds weights that are not finite or beyond float16's {_LARGEST:.0f}; train again before storing it"
        )
    return value.to(torch.float16).contiguous()


def header_of(net: nn.Module, about: Mapping[str, Any]) -> dict[str, str]:
    """What is needed to build the network again, and what is said about it."""
    return {"network": type(net).__name__, "settings": json.dumps(net.settings), "about": json.dumps(about)}


def written(tensors: dict[str, Tensor], header: dict[str, str]) -> bytes:
    """safetensors with its header in order: the library writes it in another order every time, and so the same weights with another hash."""
    content = save(tensors, header)
    size = int.from_bytes(content[:8], "little")
    text = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def read(content: bytes, parts: Sequence[str] = ("settings", "about")) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors, and the header: the name of the network, and ``parts``, which are JSON.

    Raises:
        ArtifactError: for bytes that are something else.
    """
    try:
        size = int.from_bytes(content[:8], "little")
        written = json.loads(content[8 : 8 + size])["__metadata__"]
        header = {"network": written["network"], **{key: json.loads(written[key]) for key in parts}}
        return load(content), header
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"these bytes are not a network in safetensors form: {error}") from error


def build(header: Mapping[str, Any]) -> nn.Module:
    """The network of a header, with weights that mean nothing yet.

    Raises:
        ArtifactError: for a network that is not known.
    """
    from workbench import nets

    kind = getattr(nets, header["network"], None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ArtifactError(f"network {header['network']!r} is not known to this version; update the package")
    return kind(**header["settings"], generator=torch.Generator())


def _built(header: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    net = build(header)
    net.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in state.items()})
    return net.requires_grad_(False).eval()
