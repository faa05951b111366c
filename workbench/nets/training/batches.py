"""Which samples a step sees, and how: a function of the seed and the step alone, so that nothing needs to be remembered to resume."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

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


def seed_of(generator: torch.Generator) -> int:
    """A seed for :func:`generator_of`: one number drawn from ``generator``."""
    return int(torch.randint(2**31, (), generator=generator, device=generator.device))


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=generator_of(seed, 0, epoch))


@runtime_checkable
class Partners(Protocol):
    """Where the noise of a sample comes from, when it is not drawn independently: see ``workbench.reflow.couplings``."""

    def noise(self, x0: Tensor, rows: Tensor, flipped: Tensor | None, draws: torch.Generator) -> Tensor:
        """The noise of the samples ``x0``, which are rows ``rows`` of the data, those ``flipped`` left to right already so."""


class Batch(NamedTuple):
    """What a step sees: samples, their labels, their noise where it is not to be drawn, and the generator for all other draws."""

    x0: Tensor
    labels: Tensor | None
    noise: Tensor | None
    draws: torch.Generator


@dataclass(frozen=True, eq=False)
class Batches:
    """Batch ``step`` of shuffled epochs without replacement, each image flipped left to right with probability 1/2.

    Labels are replaced by ``classes`` (no class) with probability ``drop``: a network trained so serves guided sampling
    (``ho2022cfg``).

    Args:
        images: uint8 pixels, taken to [-1, 1], or floats (n, \\*shape), taken as they are.
        labels: (n,) int64, or None.
        batch: samples a step.
        seed: of everything that is drawn.
        classes: the label that stands for no class.
        drop: the share of labels replaced by it.
        flips: whether to flip; images only.
        partners: gives each sample its noise; None leaves it to the objective, which draws it.

    Raises:
        ValueError: for a batch larger than the data, another number of labels than images, or flips of what is no image.
    """

    images: Tensor
    labels: Tensor | None
    batch: int
    seed: int
    classes: int = 10
    drop: float = 0.15
    flips: bool = True
    partners: Partners | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= len(self.images):
            raise ValueError(
                f"batch={self.batch} of {len(self.images)} samples; a batch holds at least one and each sample once: "
                "take a smaller batch or more data"
            )
        if self.labels is not None and self.labels.shape != (len(self.images),):
            raise ValueError(f"labels of shape {tuple(self.labels.shape)} for {len(self.images)} samples; give one for each")
        if self.flips and self.images.ndim != 4:
            raise ValueError(f"samples of shape {tuple(self.images.shape[1:])} cannot be flipped left to right; pass flips=False")

    def rows(self, step: int) -> Tensor:
        """Which samples step ``step`` sees, (batch,) int64."""
        epoch, place = divmod(step, len(self.images) // self.batch)
        return _order(self.seed, epoch, len(self.images))[place * self.batch : (place + 1) * self.batch]

    def at(self, step: int) -> Batch:
        """Images in [-1, 1], labels, perhaps noise, and the generator from which the rest of this step's draws come."""
        rows, draws = self.rows(step), generator_of(self.seed, 1, step)
        chosen = self.images[rows]
        images, flip = to_floats(chosen) if chosen.dtype == torch.uint8 else chosen, None
        if self.flips:
            flip = torch.rand(len(rows), generator=draws) < 0.5
            images = torch.where(flip[:, None, None, None], images.flip(-1), images)
        labels = self.labels
        if labels is not None:
            dropped = torch.rand(len(rows), generator=draws) < self.drop
            labels = torch.where(dropped, self.classes, labels[rows])
        noise = None if self.partners is None else self.partners.noise(images, rows, flip, draws)
        return Batch(images, labels, noise, draws)
