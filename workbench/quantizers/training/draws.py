"""Chance that can be resumed: every use gets a generator of its own, counted by a buffer that is saved with the network."""

import torch
from torch import Tensor, nn

from workbench.nets.training.batches import generator_of, seed_of


class Draws(nn.Module):
    """Hands out generators, one for each use; the number of uses is in ``state_dict``, so a resumed run draws what it would have drawn.

    Args:
        generator: one number is drawn from it, the seed of all that follows.

    Raises:
        TypeError: for a generator that is none.
    """

    used: Tensor

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        if not isinstance(generator, torch.Generator):
            raise TypeError(f"rounding by chance needs generator=torch.Generator().manual_seed(0), got {type(generator).__name__}")
        self.seed = seed_of(generator)
        self.register_buffer("used", torch.zeros((), dtype=torch.int64))

    def next(self) -> torch.Generator:
        """The generator of the next use.  Where no gradient is asked for, nothing is drawn, and nothing counted."""
        if torch.is_grad_enabled():
            self.used += 1
        return generator_of(self.seed, int(self.used))
