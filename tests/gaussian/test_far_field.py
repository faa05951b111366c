"""What the cumulants predict of 1 - EV, against 1 - EV itself."""

import pytest
import torch
from gaussian_helpers import SCHEDULES
from numpy.polynomial.hermite_e import hermegauss

import workbench as wb
from workbench.gaussian import EmpiricalDenoiser, GaussianDenoiser, far_field

SKEWED = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=torch.float64)
SYMMETRIC = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)


def unexplained(points, schedule, t):
    """1 - EV of the points' score by quadrature (draws would leave ten percent of noise), and the prediction."""
    law, exact = GaussianDenoiser.fit(points, schedule), EmpiricalDenoiser(points, schedule)
    nodes, weights = map(torch.as_tensor, hermegauss(16))
    x = (points[:, None] + t * torch.cartesian_prod(nodes, nodes)).flatten(0, 1)
    share = torch.outer(weights, weights).flatten().repeat(len(points))
    score = exact.score(x, t)
    gap = (share * (score - law.score(x, t)).square().sum(1)).sum() / (share * score.square().sum(1)).sum()
    return float(gap), far_field(law, points, t, whole=True)


@pytest.mark.parametrize(("points", "power"), [(SKEWED, 6), (SYMMETRIC, 8)], ids=["skewed", "symmetric"])
def test_measured_is_predicted_with_its_power(points, power):
    schedule = wb.schedules.VE()
    measured, predicted = zip(*(unexplained(points, schedule, t) for t in (16.0, 32.0)), strict=True)
    for seen, said in zip(measured, predicted, strict=True):
        assert seen == pytest.approx(said.total, rel=0.03)
    assert wb.metrics.fitted_order([16.0, 32.0], measured).order == pytest.approx(power, abs=0.2)


def test_the_leading_constant(rng):
    """In one dimension: kappa_3^2 / (2 sigma^6) and kappa_4^2 / (6 sigma^8)."""
    points = torch.tensor([[-1.0], [-1.0], [2.0]], dtype=torch.float64)
    law = GaussianDenoiser.fit(points, wb.schedules.VE())
    third, fourth = points.pow(3).mean(), points.pow(4).mean() - 3 * points.square().mean() ** 2
    for sigma in (50.0, 75.0):
        far = far_field(law, points, sigma, whole=True)
        assert far.skewness == pytest.approx(float(third**2 / (2 * sigma**6)), rel=0.01)
        assert far.kurtosis == pytest.approx(float(fourth**2 / (6 * sigma**8)), rel=0.01)


@pytest.mark.parametrize("other", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_every_schedule_at_the_same_noise_says_the_same(other):
    ve = wb.schedules.VE()
    t = other.inverse_log_snr(-2.0)
    law = GaussianDenoiser.fit(SKEWED, ve)
    expected = far_field(law, SKEWED, ve.inverse_log_snr(-2.0), whole=True)
    assert far_field(law.on(other), SKEWED, t, whole=True) == pytest.approx(expected, rel=1e-9)


def test_draws_estimate_without_bias_and_gaussian_data_have_neither(rng, mean, sigma_matrix):
    """Over many small samples the average is right, and for Gaussian data 0."""
    schedule = wb.schedules.VE()
    toy = wb.gaussian.MixtureDenoiser(torch.ones(3), SKEWED, 0.04, schedule)
    spread = SKEWED.T @ SKEWED / 3 + 0.04 * torch.eye(2, dtype=torch.float64)
    for law, exact in (
        (GaussianDenoiser(SKEWED.mean(0), spread, schedule), toy),
        (GaussianDenoiser(mean, sigma_matrix, schedule),) * 2,
    ):
        draws = [exact.sample(40, generator=rng, dtype=torch.float64) for _ in range(100)]
        found = torch.tensor([far_field(law, x, 4.0) for x in draws], dtype=torch.float64)
        center = torch.zeros(2, dtype=torch.float64)
        if exact is toy:
            center = torch.tensor(far_field(law, toy.sample(2000, generator=rng, dtype=torch.float64), 4.0), dtype=torch.float64)
        assert ((found.mean(0) - center).abs() < 4 * found.std(0) / 100**0.5 + 0.02 * center.abs()).all()


def test_refuses(mean, sigma_matrix):
    law = GaussianDenoiser(mean, sigma_matrix, wb.schedules.Rectified())
    with pytest.raises(ValueError, match="at least two samples"):
        far_field(law, torch.zeros(1, 3), 0.5)
    with pytest.raises(ValueError, match="at least two samples"):
        far_field(law, torch.zeros(5, 2), 0.5)
    with pytest.raises(ValueError, match="alpha = 0"):
        far_field(law, torch.zeros(5, 3), 1.0)
