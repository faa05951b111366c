"""The exact laws of pairs: against autograd on their joint density, quadrature, dense algebra, and one another."""

import math

import pytest
import torch
from pairs import gaussian_pairs, mixture_pairs
from small_laws import low_rank_law

import workbench as wb
from workbench.bridges import Bridge, Displaced, GaussianPairs, MixturePairs, ProjectedPairs

TIMES = (0.999, 0.6, 0.05)


def joint_score(pairs, y, end, t):
    """The gradient in y of the log density of (y_t, x_T), by autograd: y_t = alpha x_0 + sigma z is jointly Gaussian with x_T."""
    schedule, d = pairs.schedule, y.shape[1]
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    scale = torch.tensor([alpha] * d + [1.0] * d, dtype=torch.float64)
    covariance = scale[:, None] * pairs.covariance.matrix() * scale
    covariance[:d, :d] += sigma**2 * torch.eye(d, dtype=torch.float64)
    law = torch.distributions.MultivariateNormal(scale * pairs.mean.flatten(), covariance)
    y = y.clone().requires_grad_(True)
    return torch.autograd.grad(law.log_prob(torch.cat([y, end], 1)).sum(), y)[0]


@pytest.mark.parametrize("t", TIMES)
def test_gaussian_score_is_that_of_the_joint_density(t, rng):
    pairs = gaussian_pairs(Bridge())
    _, end = pairs.sample(7, generator=rng, dtype=torch.float64)
    y = torch.randn(7, 2, generator=rng, dtype=torch.float64)
    score, bound = joint_score(pairs, y, end, t), pairs.given(end)
    assert torch.allclose(bound.score(y, t), score, rtol=1e-9)
    alpha, sigma = pairs.schedule.alpha(t), pairs.schedule.sigma(t)
    assert torch.allclose(bound.data(y, t), (y + sigma**2 * score) / alpha, rtol=1e-8)
    assert torch.allclose(bound.noise(y, t), -sigma * score, rtol=1e-9)


def test_at_the_end_point_only_the_end_point_speaks(rng):
    schedule = Bridge()
    for pairs in (gaussian_pairs(schedule), mixture_pairs(schedule)):
        _, end = pairs.sample(4, generator=rng, dtype=torch.float64)
        y = torch.randn(2, 4, 2, generator=rng, dtype=torch.float64)
        bound = pairs.given(end)
        assert torch.allclose(bound.data(y[0], 1.0), bound.data(y[1], 1.0), rtol=1e-12)
        assert not torch.allclose(bound.data(y[0], 0.9), bound.data(y[1], 0.9))


def test_gaussian_end_prediction_is_the_regression(rng):
    pairs = gaussian_pairs(Bridge())
    x0, end = pairs.sample(40_000, generator=rng, dtype=torch.float64)
    slope = torch.linalg.lstsq(end - end.mean(0), x0 - x0.mean(0)).solution
    expected = x0.mean(0) + (end - end.mean(0)) @ slope
    gap = pairs.given(end).data(torch.zeros_like(end), 1.0) - expected
    assert gap.square().mean().sqrt() < 0.03
    assert torch.allclose(
        GaussianPairs.fit(x0, end, pairs.schedule).covariance.matrix(), pairs.covariance.matrix(), rtol=0.1, atol=0.1
    )


def test_flow_of_a_displaced_law_is_the_integrated_velocity(rng):
    schedule = Bridge()
    pairs = gaussian_pairs(schedule)
    _, end = pairs.sample(3, generator=rng, dtype=torch.float64)
    y, bound = torch.randn(3, 2, generator=rng, dtype=torch.float64), pairs.given(end)
    assert torch.allclose(wb.solvers.reference(bound, y, 0.9, 0.05, rtol=1e-7, atol=1e-9).x, bound.flow(y, 0.9, 0.05), rtol=1e-5)
    step = (bound.flow(y, 0.5, 0.5 + 1e-5) - bound.flow(y, 0.5, 0.5 - 1e-5)) / 2e-5
    assert torch.allclose(bound.velocity(y, 0.5), step, rtol=1e-6)
    times = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    for face in ("data", "noise", "velocity"):
        each = torch.cat([getattr(pairs.given(end[k : k + 1]), face)(y[k : k + 1], t) for k, t in enumerate(times.tolist())])
        assert torch.allclose(getattr(bound, face)(y, times), each, rtol=1e-12)


@pytest.mark.parametrize("t", TIMES)
def test_mixture_against_quadrature(t, rng):
    """E[x_0 | x_T, y_t] in one dimension, by summing over a fine grid of x_0."""
    schedule = Bridge()
    pairs = MixturePairs(
        torch.tensor([[-1.0], [0.5], [2.0]]).double(), torch.tensor([[0.0], [0.4], [-0.5]]).double(), 0.3, 0.5, schedule
    )
    _, end = pairs.sample(5, generator=rng, dtype=torch.float64)
    y = torch.randn(5, 1, generator=rng, dtype=torch.float64)
    x0 = torch.linspace(-4, 5, 20_001, dtype=torch.float64)
    prior = (-0.5 * ((x0[:, None] - pairs.starts[:, 0]) / 0.3) ** 2).exp()
    told = (-0.5 * ((end - pairs.ends[:, 0]) / 0.5) ** 2).exp()
    seen = (-0.5 * ((y - schedule.alpha(t) * x0) / schedule.sigma(t)) ** 2).exp()
    weights = seen * (told @ prior.T)
    assert torch.allclose(pairs.given(end).data(y, t)[:, 0], (weights @ x0) / weights.sum(1), rtol=1e-6)


def test_one_kind_is_a_gaussian(rng):
    schedule = Bridge()
    pairs = mixture_pairs(schedule, kinds=1)
    covariance = torch.diag(torch.tensor([0.25**2] * 2 + [0.6**2] * 2, dtype=torch.float64))
    gaussian = GaussianPairs(torch.cat([pairs.starts, pairs.ends]), covariance, schedule)
    _, end = pairs.sample(4, generator=rng, dtype=torch.float64)
    y = torch.randn(4, 2, generator=rng, dtype=torch.float64)
    for face in ("data", "noise", "score", "velocity"):
        assert torch.allclose(getattr(pairs.given(end), face)(y, 0.4), getattr(gaussian.given(end), face)(y, 0.4), rtol=1e-10)


def test_finite_pairs_know_the_plain_empirical_law(rng):
    """Where all ends are alike, the end point tells nothing."""
    schedule = Bridge()
    points = torch.randn(6, 2, generator=rng, dtype=torch.float64)
    pairs = MixturePairs(points, torch.zeros_like(points), 0.0, 1.0, schedule)
    y, end = torch.randn(2, 5, 2, generator=rng, dtype=torch.float64)
    expected = wb.gaussian.EmpiricalDenoiser(points, schedule).data(y, 0.3)
    assert torch.allclose(pairs.given(end).data(y, 0.3), expected, rtol=1e-10)
    times = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)
    each = torch.cat([pairs.given(end[k : k + 1]).data(y[k : k + 1], t) for k, t in enumerate(times.tolist())])
    assert torch.allclose(pairs.given(end).data(y, times), each, rtol=1e-12)
    assert torch.allclose(pairs.given(end).kinds(y, 0.3).sum(1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("t", TIMES)
def test_projected_pairs_are_the_conditioned_gaussian(t, rng):
    """Against the dense joint Gaussian of (x_0, A^T A x_0)."""
    schedule = Bridge()
    law = low_rank_law(schedule, 12, 4)
    rows = torch.linalg.qr(torch.randn(12, 3, generator=rng, dtype=torch.float64)).Q.T
    pairs = ProjectedPairs(law, rows)
    keep, matrix = rows.T @ rows, law.covariance.matrix()
    both = torch.cat([torch.eye(12, dtype=torch.float64), keep])
    dense = GaussianPairs(torch.stack([law.mean, keep @ law.mean]), both @ matrix @ both.T, schedule)
    x0 = law.sample(5, generator=rng, dtype=torch.float64)
    end = pairs.degraded(x0)
    assert torch.allclose(end, x0 @ keep)
    y = torch.randn(5, 12, generator=rng, dtype=torch.float64)
    for face in ("data", "noise"):
        assert torch.allclose(getattr(pairs.given(end), face)(y, t), getattr(dense.given(end), face)(y, t), rtol=0, atol=1e-9)
    clean = pairs.given(end).flow(y, t, 0.0)
    assert torch.allclose(clean @ rows.T, x0 @ rows.T, atol=1e-9) or t < 0.9  # what is known stays as it is, from far enough away


def test_a_known_part_is_restored_exactly(rng):
    schedule = Bridge()
    law = low_rank_law(schedule, 12, 4)
    pairs = ProjectedPairs(law, torch.eye(12, dtype=torch.float64)[:5])
    x0 = law.sample(4, generator=rng, dtype=torch.float64)
    run = wb.bridges.translate(pairs, pairs.degraded(x0), wb.grids.log_snr(schedule, 6, 1.0, 0.0), generator=rng)
    assert torch.allclose(run.x[:, :5], x0[:, :5], atol=1e-10)
    assert not torch.allclose(run.x[:, 5:], x0[:, 5:], atol=0.1)


def test_bad_pairs_are_refused(rng):
    schedule, plain = Bridge(), wb.schedules.VP()
    points = torch.zeros(3, 2)
    with pytest.raises((ValueError, TypeError), match="bridge schedule|Pinned|type hint"):
        GaussianPairs(torch.zeros(2, 2), torch.eye(4), plain)
    with pytest.raises(ValueError, match=r"needs a mean \(2, \*shape\)"):
        GaussianPairs(torch.zeros(3, 2), torch.eye(6), schedule)
    with pytest.raises((ValueError, TypeError), match="two or more pairs|type hint"):
        GaussianPairs.fit(points, points[:2], schedule)
    with pytest.raises((ValueError, TypeError), match="bridge schedule|Pinned|type hint"):
        MixturePairs(points, points, 0.1, 0.1, plain)
    with pytest.raises(ValueError, match="width > 0"):
        MixturePairs(points, points, 0.1, 0.0, schedule)
    with pytest.raises((ValueError, TypeError), match="must both be|type hint"):
        MixturePairs(points, points[:2], 0.1, 0.1, schedule)
    with pytest.raises(ValueError, match="finite centers"):
        MixturePairs(points / 0, points, 0.1, 0.1, schedule)
    bound = mixture_pairs(schedule).given(points.double())
    with pytest.raises(ValueError, match="bound to 3 end points"):
        bound.data(torch.zeros(2, 2).double(), 0.5)
    for wrong in (points[:, :1], points / 0):
        with pytest.raises((ValueError, TypeError), match="end points need shape|type hint"):
            gaussian_pairs(schedule).given(wrong)
    with pytest.raises((ValueError, TypeError), match="floating-point|type hint"):
        gaussian_pairs(schedule).given(points.long())
    law = low_rank_law(schedule, 12, 4)
    with pytest.raises(ValueError, match="orthonormal"):
        ProjectedPairs(law, 2 * torch.eye(12)[:3])
    with pytest.raises(ValueError, match="rows have shape"):
        ProjectedPairs(law, torch.eye(12))
    with pytest.raises(ValueError, match="LowRank"):
        ProjectedPairs(wb.gaussian.GaussianDenoiser(torch.zeros(12), 1.0, schedule), torch.eye(12)[:3])
    with pytest.raises(ValueError, match="do not fit a law"):
        Displaced(law, points)
    moved = Displaced(wb.characters.ring(plain), points.double())
    with pytest.raises(TypeError, match="no closed flow map"):
        moved.flow(points.double(), 0.5, 0.1)


def test_mixture_far_away_does_not_overflow():
    schedule = Bridge()
    pairs = mixture_pairs(schedule)
    far = torch.full((2, 2), 1e4, dtype=torch.float64)
    for t in (1.0, 0.5, 1e-4):
        assert math.isfinite(float(pairs.given(far).data(far, t).sum()))
