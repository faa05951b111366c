"""Pairs of points whose bridge denoisers are known, shared by the tests of bridges."""

import torch

import workbench as wb


def gaussian_pairs(schedule, seed=3):
    """Correlated Gaussian pairs of points of the plane."""
    rng = torch.Generator().manual_seed(seed)
    factor = torch.randn(4, 4, generator=rng, dtype=torch.float64)
    return wb.bridges.GaussianPairs(torch.randn(2, 2, generator=rng, dtype=torch.float64), factor @ factor.T + 0.1, schedule)


def mixture_pairs(schedule, spread=0.25, kinds=5, seed=4):
    """Kinds of which several share their ends."""
    rng = torch.Generator().manual_seed(seed)
    starts = 1.5 * torch.randn(kinds, 2, generator=rng, dtype=torch.float64)
    ends = torch.randn(kinds, 2, generator=rng, dtype=torch.float64)
    return wb.bridges.MixturePairs(starts, ends, spread, 0.6, schedule)
