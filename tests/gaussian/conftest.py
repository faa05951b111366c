"""Five schedules, a Gaussian, and the plain matrix formulas that the fast code must reproduce."""

import pytest
import torch
from gaussian_helpers import SCHEDULES

import workbench as wb


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def schedule(request):
    return request.param


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def mean():
    return torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


@pytest.fixture
def sigma_matrix():
    """A 3 x 3 covariance with eigenvalues 4, 1/2 and 1/50 in a basis that is not the axes."""
    basis = torch.linalg.qr(torch.tensor([[1.0, 2.0, 0.0], [0.5, -1.0, 1.0], [2.0, 0.3, -1.0]], dtype=torch.float64)).Q
    return basis @ torch.diag(torch.tensor([4.0, 0.5, 0.02], dtype=torch.float64)) @ basis.T


@pytest.fixture
def law(mean, sigma_matrix, schedule):
    return wb.gaussian.GaussianDenoiser(mean, sigma_matrix, schedule)
