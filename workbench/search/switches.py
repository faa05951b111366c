"""How large a mutation is."""

import torch


def number_of_switches(generator: torch.Generator, most: int = 3) -> int:
    """min(U, V) with U and V drawn evenly from 1 .. ``most``: for 3, one, two or three with probability 5/9, 3/9 and 1/9.

    Mostly small steps, which keep what is good, and now and then a larger one, which leaves a dead end (``sieberling2025evopress``).

    Raises:
        ValueError: for ``most`` below 1.
    """
    if most < 1:
        raise ValueError(f"most={most}; a mutation makes at least one switch")
    return int(torch.randint(1, most + 1, (2,), generator=generator, device=generator.device).min())
