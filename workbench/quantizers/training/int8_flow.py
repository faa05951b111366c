"""The operations of 8-bit training with what they share: the side of a tile, and where chance comes from."""

import torch
from torch import Tensor, nn

from workbench.quantizers.training import _int8_operations as operations
from workbench.quantizers.training.draws import Draws


class Int8Flow(nn.Module):
    """What the layers of a network call; each method is an operation of ``_int8_operations``, beside this file.

    Args:
        side: of a tile; None is one tile for a whole tensor.
        generator: the seed of all that is drawn in training.
    """

    paper = "xi2024jetfire"

    def __init__(self, side: int | None, generator: torch.Generator) -> None:
        super().__init__()
        if side is not None and side < 1:
            raise ValueError(f"side is {side}; a tile has at least one row, or give None for one tile")
        self.side, self.draws = side, Draws(generator)

    def enter(self, x: Tensor) -> Tensor:
        """Into the flow."""
        return operations.Enter.apply(x, self.side)

    def leave(self, x: Tensor) -> Tensor:
        """Out of the flow."""
        return operations.Leave.apply(x, self.side, self.draws.next())

    def fork(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """For two readers."""
        return operations.Fork.apply(x, self.side, self.draws.next())

    def linear(self, x: Tensor, layer: nn.Linear) -> Tensor:
        """The layer."""
        return operations.Linear.apply(x, layer.weight, layer.bias, self.side, self.draws.next())

    def activation(self, x: Tensor, name: str) -> Tensor:
        """SiLU or GELU, by the names "silu" and "gelu"."""
        if name not in operations.ACTIVATIONS:
            raise ValueError(f"no activation {name!r}; there are {', '.join(operations.ACTIVATIONS)}")
        return operations.Activation.apply(x, name, self.side, self.draws.next())

    def norm(self, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Layer normalization, shifted and scaled by rows that broadcast against ``x``."""
        return operations.Norm.apply(x, shift, scale, self.side, self.draws.next())

    def add(self, x: Tensor, z: Tensor, gate: Tensor | None = None) -> Tensor:
        """x + gate z, without a gate x + z."""
        gate = x.new_ones(()) if gate is None else gate
        return operations.Add.apply(x, z, gate, self.side, self.draws.next())
