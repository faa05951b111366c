"""Initial weights drawn from a ``torch.Generator``, so that a network is a function of its seed and of nothing else.

A network builds its parts on the ``meta`` device, where nothing is drawn and nothing is stored, and then calls :func:`draw_weights`.
"""

import math

import torch
from torch import Tensor, nn

_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.BatchNorm2d)


@torch.no_grad()
def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Give every parameter and buffer of a module built on ``meta`` its storage and its first value, in the order of ``modules()``.

    Linear maps and convolutions: N(0, 1 / fan_in), biases 0.  Embeddings: N(0, 1).  Norms: scale 1, shift 0.  A layer with the
    attribute ``starts_at_zero`` is 0 (see :func:`zero`).

    Raises:
        TypeError: for a generator that is none, or a layer whose first values are not known here.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"a network needs a torch.Generator to draw its weights from, got {type(generator).__name__}")
    module.to_empty(device=generator.device)
    for part in module.modules():
        own = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if getattr(part, "starts_at_zero", False):
            for tensor in own:
                tensor.zero_()
        elif isinstance(part, nn.Linear | nn.Conv2d):
            fan_in = part.weight[0].numel()
            _normal(part.weight, 1 / math.sqrt(fan_in), generator)
            if part.bias is not None:
                part.bias.zero_()
        elif isinstance(part, nn.Embedding):
            _normal(part.weight, 1.0, generator)
        elif isinstance(part, _NORMS):
            part.reset_parameters()
        elif hasattr(part, "draw"):
            part.draw(generator)
        elif own:
            raise TypeError(f"no first values are known for {type(part).__name__}: give it a method draw(generator)")


def zero(layer: nn.Module) -> nn.Module:
    """Mark a layer to start at 0: a block that ends in one starts as the identity, a network that ends in one as the zero map."""
    layer.starts_at_zero = True
    return layer


def _normal(weight: Tensor, scale: float, generator: torch.Generator) -> None:
    weight.copy_(torch.randn(weight.shape, generator=generator, device=generator.device).mul_(scale))
