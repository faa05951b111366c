"""A law of one's own: what is drawn, and what it is drawn from, follows from the student's identifier.

The identifier gives every seed, turns and stretches the ellipse, turns and widens the ring, and moves the two Gaussians
on which ``wb.checks`` measures.  The same identifier gives the same law on every machine.
"""

import hashlib
import math

import torch

import workbench as wb
from workbench.checks import laws
from workbench.data.toys import mixtures


def seed_of(identifier: str, *more: object) -> int:
    """A seed that depends on all arguments: the first 62 bits of their SHA-256."""
    digest = hashlib.sha256("\0".join([identifier, *map(str, more)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def install(identifier: str, attempt: int) -> None:
    """Put the laws of ``identifier`` in the place of the book's, in this process."""
    rng = torch.Generator().manual_seed(seed_of(identifier, attempt, "law"))
    turn, stretch, width, first, second, share = torch.rand(6, generator=rng, dtype=torch.float64).tolist()
    toys = wb.data.toys
    toys.ellipse = mixtures._gaussian("ellipse", (0.5, -0.25), (0.8 + 0.4 * stretch, 0.05), 360 * turn)
    angles = torch.arange(8.0).double() * math.pi / 4 + 2 * math.pi * turn
    toys.ring = mixtures._equal_blobs(
        "ring", mixtures.polar(torch.full((8,), 2.0, dtype=torch.float64), angles), 0.18 + 0.04 * width
    )
    weight = 0.35 + 0.15 * share
    laws.MIXTURE = ((weight, 1 - weight), (-1.6 + 0.2 * first, 0.9 + 0.2 * second), (0.6, 0.8))
