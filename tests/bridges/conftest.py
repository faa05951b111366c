"""The bridges of every base, and a generator."""

import pytest
import torch

import workbench as wb

BASES = {
    "published": wb.schedules.VP(0.1, 2.1, t_last=1e-4),
    "VP": wb.schedules.VP(),
    "VE": wb.schedules.VE(t_first=1.5),
    "cosine": wb.schedules.Cosine(),
    "DDPM": wb.schedules.DiscreteVP.linear(50),
}


@pytest.fixture(params=BASES, ids=str)
def bridge(request):
    """The bridge of every base."""
    return wb.bridges.Bridge(BASES[request.param])


@pytest.fixture
def rng():
    """A generator of its own for every test."""
    return torch.Generator().manual_seed(7)
