"""Every layer at every level, rounded once, so that an allocation costs nothing but its evaluation."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench.quantizers.model import check_names, layers_of, net_of
from workbench.quantizers.quantizer import Quantizer


class LayerBank:
    """The weights of all linear maps and convolutions of a model, as each of several quantizers would give them back.

    What :meth:`at` returns computes what :func:`~workbench.quantizers.quantized` computes with the same quantizers, without packing:
    for trying many allocations.  Memory: the weights once for every level.

    Args:
        model: a network, or a denoiser with one in its field ``net``; it is left alone.
        quantizers: level -> quantizer, for example ``{b: Affine(bits=b, block=(1, 32)) for b in (2, 3, 4, 6, 8)}``.
        generator: for stochastic rounding.

    Attributes:
        names, sizes: of the layers, in order; a size is a number of weights.
        levels: in increasing order.

    Raises:
        TypeError: for a model without a network.
        ValueError: for no quantizers, or a network without layers.
    """

    def __init__(self, model: Any, quantizers: Mapping[int, Quantizer], generator: torch.Generator | None = None) -> None:
        layers = dict(layers_of(net_of(model)))
        if not quantizers or not layers:
            raise ValueError(f"got {len(quantizers)} quantizers and {len(layers)} layers; a bank needs at least one of each")
        self.model, self.levels = model, tuple(sorted(quantizers))
        self.names, self.sizes = tuple(layers), tuple(layer.weight.numel() for layer in layers.values())
        self._weights = [
            {level: _rounded(layer.weight, quantizers[level], generator) for level in self.levels} for layer in layers.values()
        ]

    def at(self, bits: Sequence[int | None] | Mapping[str, int]) -> Any:
        """The model with these levels.

        Args:
            bits: one for each layer, None for full precision; or by name, the others in full precision.

        Raises:
            ValueError: for another number of layers, a name that no layer has, or a level that is not in the bank.
        """
        if isinstance(bits, Mapping):
            check_names(bits, self.names)
            bits = [bits.get(name) for name in self.names]
        if len(bits) != len(self.names) or not set(bits) <= {None, *self.levels}:
            raise ValueError(f"needs one of the levels {self.levels} (or None) for each of {len(self.names)} layers; got {bits}")
        weights = {
            f"{name}.weight": known[b] for name, known, b in zip(self.names, self._weights, bits, strict=True) if b is not None
        }
        small = WithWeights(net_of(self.model), weights)
        return small if isinstance(self.model, nn.Module) else dataclasses.replace(self.model, net=small)


class WithWeights(nn.Module):
    """A network that computes with other weights than its own, which it shares with the original.

    Args:
        net: the network.
        weights: by the name of the parameter whose place they take.
    """

    def __init__(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.net, self.weights = net, dict(weights)

    def forward(self, *args: Any) -> Tensor:
        """The network's answer."""
        return functional_call(self.net, self.weights, args)


def _rounded(weight: Tensor, quantizer: Quantizer, generator: torch.Generator | None) -> Tensor:
    """In the layout of ``weight``, on which the speed of a convolution depends."""
    back = quantizer.simulate(weight.detach().flatten(1), generator).view(weight.shape)
    return torch.empty_like(weight, requires_grad=False).copy_(back)
