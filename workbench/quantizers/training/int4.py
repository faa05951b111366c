"""A network whose linear maps are trained with 4-bit numbers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.nets.dit import DiT
from workbench.nets.mlp import MLP
from workbench.quantizers.model import copied, net_of, replace_layer
from workbench.quantizers.training.draws import Draws
from workbench.quantizers.training.int4_linear import Int4Linear, Sampling
from workbench.quantizers.watching import watching

ENDS = {MLP: ("first", "last"), DiT: ("embedding", "read", "write", "modulation", "blocks.*.modulation")}
"""Layers that stay as they are where nothing else is said: those that read and write coordinates, and those that tell the time."""


def int4(
    model: Any,
    *sample: Tensor,
    generator: torch.Generator,
    keep: Sequence[str] | None = None,
    most: int = 64,
    sampling: Sampling = Sampling(),  # noqa: B008
) -> Any:
    """Return a copy of ``model`` to be trained with 4-bit products: every ``nn.Linear`` becomes an :class:`Int4Linear`.

        small = wb.quantizers.training.int4(model, x, times, generator=rng)
        small = wb.nets.fit(small, x0, steps=1500, generator=rng)

    Args:
        model: a network, or a denoiser with one in its field ``net``.
        sample: what the network is called with, for one call: inputs and times of a typical batch.  Steps start from what it shows.
        generator: the seed of all that is drawn in training.
        keep: layers that stay in full precision: names, beginnings of names, or patterns with ``*`` for one part.  By default the
            layers that read and write coordinates and the embedding of an MLP or a DiT, and nothing for other networks.
        most: the largest Hadamard block; 1 rotates nothing.
        sampling: see :class:`Sampling`.

    Raises:
        TypeError: for a model without a network.
        ValueError: where no layer is left, or a name in ``keep`` fits none.
    """
    new = copied(model)
    net = net_of(new)
    keep = ENDS.get(type(net), ()) if keep is None else keep
    layers = _chosen(net, [keep] if isinstance(keep, str) else keep)
    inputs: dict[str, Tensor] = {}
    looks = {layer: lambda _, args, name=name: inputs.__setitem__(name, args[0].detach()) for name, layer in layers.items()}
    with torch.no_grad(), watching(looks):
        net(*sample)
    draws = Draws(generator)
    for name, layer in layers.items():
        if name not in inputs:
            raise ValueError(f"the sample did not reach {name}; give one that does, or keep this layer")
        replace_layer(net, name, Int4Linear(layer, inputs[name], draws, most=most, sampling=sampling))
    return new


def _chosen(net: nn.Module, keep: Sequence[str]) -> dict[str, nn.Linear]:
    linear = {name: part for name, part in net.named_modules() if isinstance(part, nn.Linear)}
    for start in keep:
        if not any(_fits(name, start) for name in linear):
            raise ValueError(f"no linear layer's name begins with {start!r}; there are {', '.join(linear)}")
    chosen = {name: part for name, part in linear.items() if not any(_fits(name, start) for start in keep)}
    if not chosen:
        raise ValueError(f"no linear layer is left to train in 4 bits; there are {', '.join(linear) or 'none'}")
    return chosen


def _fits(name: str, start: str) -> bool:
    """Whether a name begins with these parts; ``*`` stands for any one."""
    parts, wanted = name.split("."), start.split(".")
    return len(parts) >= len(wanted) and all(w in ("*", p) for p, w in zip(parts, wanted, strict=False))
