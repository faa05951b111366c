"""Which images a step sees, and how: a function of the seed and the step alone, so that nothing needs to be remembered to resume."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.data.cifar import to_floats

_PRIME = 1_000_003


def generator_of(seed: int, *keys: int) -> torch.Generator:
    """A generator that depends on the seed and the keys, and on no generator used before."""
    value = seed
    for key in keys:
        value = (value * _PRIME + key + 1) % 2**62
    return torch.Generator().manual_seed(value)


@dataclass(frozen=True, eq=False)
class Batches:
    """Batch ``step`` of shuffled epochs without replacement, each image flipped left to right with probability 1/2.

    Labels are replaced by ``classes`` (no class) with probability ``drop``: a network trained so serves guided sampling
    (``ho2022cfg``).
    """

    images: Tensor
    labels: Tensor
    batch: int
    seed: int
    classes: int = 10
    drop: float = 0.15
    flips: bool = True

    def at(self, step: int) -> tuple[Tensor, Tensor, torch.Generator]:
        """Images in [-1, 1], labels, and the generator from which the rest of this step's draws come."""
        epoch, place = divmod(step, len(self.images) // self.batch)
        order = torch.randperm(len(self.images), generator=generator_of(self.seed, 0, epoch))
        rows = order[place * self.batch : (place + 1) * self.batch]
        draws = generator_of(self.seed, 1, step)
        images, labels = to_floats(self.images[rows]), self.labels[rows]
        if self.flips:
            flip = torch.rand(len(rows), generator=draws) < 0.5
            images = torch.where(flip[:, None, None, None], images.flip(-1), images)
        dropped = torch.rand(len(rows), generator=draws) < self.drop
        return images, torch.where(dropped, self.classes, labels), draws
