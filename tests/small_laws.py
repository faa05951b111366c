"""Small Gaussian laws with the covariances of large ones."""

import torch

import workbench as wb


def low_rank_law(schedule, dim, rank, seed=5):
    """A Gaussian with a low rank and a floor."""
    rng = torch.Generator().manual_seed(seed)
    vectors = torch.linalg.qr(torch.randn(dim, rank, generator=rng, dtype=torch.float64)).Q
    covariance = wb.gaussian.LowRank(vectors, torch.linspace(3.0, 0.5, rank, dtype=torch.float64), 0.1)
    return wb.gaussian.GaussianDenoiser(torch.randn(dim, generator=rng, dtype=torch.float64), covariance, schedule)
