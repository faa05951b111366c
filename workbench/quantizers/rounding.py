"""From real numbers to whole ones: to the nearest, or up and down by chance so that the mean is kept."""

import torch
from torch import Tensor

ROUNDINGS = ("nearest", "stochastic")


def check(rounding: str) -> str:
    """``rounding`` itself.

    Raises:
        ValueError: for a name that is not known.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding is {rounding!r}; choose one of {', '.join(map(repr, ROUNDINGS))}")
    return rounding


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Numbers in [0, 1) from ``generator``, one for each entry of ``like``.

    Raises:
        ValueError: where no generator is given.
    """
    if generator is None:
        raise ValueError("stochastic rounding draws numbers: give generator=torch.Generator().manual_seed(...)")
    drawn = torch.rand(like.shape, generator=generator, dtype=like.dtype, device=generator.device)
    return drawn.to(like.device)


def stochastic(u: Tensor, generator: torch.Generator | None) -> Tensor:
    """floor(u) + [U < u - floor(u)] with U uniform in [0, 1): mean u, variance f (1 - f) with f = u - floor(u).

    Not floor(u + U): in floating point that sum can round up to the next whole number although U < 1, and a whole number would move.
    Here whole numbers stay where they are in every draw.
    """
    below = u.floor()
    return below + (uniform(u, generator) < u - below)


def round_to_whole(u: Tensor, rounding: str, generator: torch.Generator | None = None) -> Tensor:
    """``u`` rounded; halves go to the even number when rounding to nearest."""
    return u.round() if rounding == "nearest" else stochastic(u, generator)
