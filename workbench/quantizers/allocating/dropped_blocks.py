"""Blocks left out: a residual block that is skipped is the identity, and costs nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.nets import dit, unet
from workbench.quantizers.model import copied, net_of, replace_layer
from workbench.search import number_of_switches

_KINDS = (dit.Block, unet.Block, unet.Attention)


class Skipped(nn.Module):
    """x, in place of x + f(x)."""

    def forward(self, x: Tensor, *_: Any) -> Tensor:
        """``x`` as it is."""
        return x


def residual_blocks(model: Any) -> Iterator[str]:
    """Names of the residual blocks of a DiT or U-Net, in order; attention of a U-Net is a block of its own."""
    for name, part in net_of(model).named_modules():
        if isinstance(part, _KINDS):
            yield name


def without_blocks(model: Any, skipped: Sequence[str | int]) -> Any:
    """A new model in which the blocks ``skipped`` do nothing; ``model`` is left alone.

    Args:
        model: a DiT or U-Net, or a denoiser with one in its field ``net``.
        skipped: names from :func:`residual_blocks`, or their places in it.

    Raises:
        TypeError: for a model without a network.
        ValueError: for a block that there is not.
    """
    names = list(residual_blocks(model))
    chosen = [names[one] if isinstance(one, int) and -len(names) <= one < len(names) else one for one in skipped]
    if unknown := [one for one in chosen if one not in names]:
        raise ValueError(f"no residual blocks {unknown}; there are {', '.join(names) or 'none'} (or their places, from 0)")
    new = copied(model)
    for name in chosen:
        replace_layer(net_of(new), name, Skipped())
    return new


@dataclass(frozen=True)
class BlockBudget:
    """All choices of ``number`` blocks of ``count``, for a search: states are increasing tuples of places.

    A mutation exchanges one, two or three of the skipped blocks for others (``sieberling2025evopress``).

    Args:
        count: blocks that there are.
        number: blocks to skip.

    Raises:
        ValueError: unless 0 <= number <= count.
    """

    count: int
    number: int
    paper = "sieberling2025evopress"

    def __post_init__(self) -> None:
        if not 0 <= self.number <= self.count:
            raise ValueError(f"number={self.number} blocks to skip of count={self.count}; it must lie between 0 and count")

    def start(self, generator: torch.Generator) -> tuple[int, ...]:
        """Blocks chosen at random."""
        return tuple(sorted(_some(range(self.count), self.number, generator)))

    def mutate(self, skipped: tuple[int, ...], generator: torch.Generator) -> tuple[int, ...]:
        """The same number of blocks, with one, two or three exchanged (fewer where there are not as many).

        Raises:
            ValueError: for another number of blocks, or places that there are not.
        """
        if len(set(skipped)) != self.number or not set(skipped) <= set(range(self.count)):
            raise ValueError(f"needs {self.number} different places below {self.count}; got {skipped}")
        used = [k for k in range(self.count) if k not in skipped]
        switches = min(number_of_switches(generator), self.number, len(used))
        back, away = _some(skipped, switches, generator), _some(used, switches, generator)
        return tuple(sorted({*skipped, *away} - set(back)))


def _some(places: Sequence[int], number: int, generator: torch.Generator) -> list[int]:
    order = torch.randperm(len(places), generator=generator, device=generator.device)[:number]
    return [places[k] for k in order.tolist()]
