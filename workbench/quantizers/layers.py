"""Linear maps and convolutions whose weights are stored packed, and unpacked while they are used."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from workbench.quantizers.quantizer import Quantized, Quantizer
from workbench.quantizers.scales import Parts

PREFIX = "weight:"


class QuantizedLayer(nn.Module):
    """A Linear or Conv2d in few bits.

    The weight is taken as a matrix (outputs, inputs of one output), quantized, and kept in its stored form as buffers: they are what
    ``state_dict`` has, and what counts as memory.  Each call restores the weight for as long as it lasts.

    Args:
        layer: what it stands for; its bias is copied as it is.
        weight: the matrix in few bits; None keeps the weight as it is, where only activations are rounded.
        activations: what is done to the input; None for nothing.

    Raises:
        TypeError: for another kind of layer.
        ValueError: for a convolution that does not pad with zeros.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, weight: Quantized | None, activations: nn.Module | None = None) -> None:
        super().__init__()
        self.convolution = channel_axis(layer) == 1
        if self.convolution:
            if layer.padding_mode != "zeros":
                raise ValueError(f"padding_mode={layer.padding_mode!r}; only convolutions that pad with zeros are supported")
            self.options = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
        self.shape = layer.weight.shape
        self.quantizer = None if weight is None else weight.quantizer
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
        self.activations = activations
        if weight is None:
            self.kept = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
        for name, part in {} if weight is None else weight.parts.items():
            self.register_buffer(PREFIX + name.replace(".", ":"), part.clone())

    @property
    def quantized(self) -> Quantized | None:
        """The weight in few bits."""
        if self.quantizer is None:
            return None
        parts = {name.removeprefix(PREFIX).replace(":", "."): part for name, part in self.named_buffers(recurse=False)}
        return Quantized(self.quantizer, torch.Size((self.shape[0], self.shape[1:].numel())), torch.float32, parts)

    @property
    def weight(self) -> Tensor:
        """The weight, restored."""
        return self.kept if self.quantizer is None else self.quantized.dequantize().view(self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """The layer on the rounded input."""
        if self.activations is not None:
            x = self.activations(x)
        weight = self.weight.to(x.dtype)
        if not self.convolution:
            return nn.functional.linear(x, weight, self.bias)
        return nn.functional.conv2d(x, weight, self.bias, **self.options)

    def extra_repr(self) -> str:
        """Shape and quantizer."""
        return f"{tuple(self.shape)}, {self.quantizer}"

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args) -> None:
        """Refuse parts that were cast on the way: codes read as another type would pass, and be wrong."""
        for name, part in self.named_buffers(recurse=False):
            given = state_dict.get(prefix + name)
            if given is not None and given.dtype != part.dtype:
                raise ValueError(
                    f"{prefix}{name} is {given.dtype}, stored as {part.dtype}; load it as it was saved, without a cast"
                )
        super()._load_from_state_dict(state_dict, prefix, *args)


def blank(layer: nn.Linear | nn.Conv2d, quantizer: Quantizer) -> Quantized:
    """A weight of zeros in the form of ``quantizer``, to load another one into."""
    return quantizer.quantize(torch.zeros_like(layer.weight).flatten(1))


def stored_parts(layer: QuantizedLayer) -> Parts:
    """The stored form of the weight."""
    return {} if layer.quantized is None else layer.quantized.parts


def channel_axis(layer: nn.Module) -> int:
    """Which axis of its input a layer sums over: the last of a Linear, the second of a Conv2d.

    Raises:
        TypeError: for another kind of layer.
    """
    if isinstance(layer, nn.Linear):
        return -1
    if isinstance(layer, nn.Conv2d):
        return 1
    raise TypeError(f"{type(layer).__name__} cannot be quantized; nn.Linear and nn.Conv2d can")
