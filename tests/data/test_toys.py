"""Each toy's samples, density and stated moments describe one and the same law."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.data import toys
from workbench.data.toys import curves

every_toy = pytest.mark.parametrize("toy", toys.ALL, ids=lambda toy: toy.name)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_there_are_ten_with_distinct_names_that_are_module_attributes():
    assert len({toy.name for toy in toys.ALL}) == len(toys.ALL) == 10
    assert all(getattr(toys, toy.name) is toy for toy in toys.ALL)
    assert toys.eight_gaussians is toys.ring


@every_toy
def test_density_integrates_to_one(toy):
    low, high = (-6, 12) if toy in (toys.ellipse, toys.banana) else (-4, 4)
    step = 0.05
    axis = torch.arange(low, high, step, dtype=torch.float64) + step / 2
    total = toy.log_prob(torch.cartesian_prod(axis, axis)).exp().sum() * step**2
    assert total.item() == pytest.approx(1, abs=2e-6)


@every_toy
def test_samples_follow_the_density(toy):
    """A chi-square test on 24 x 24 bins, whose probabilities come from the density by Gauss-Legendre quadrature."""
    n, bins = 20_000, 24
    counts = np.histogram2d(*toy(n, generator=rng(1)).T.double().numpy(), bins=bins, range=[[-3, 3]] * 2)[0].ravel()
    node, weight = np.polynomial.legendre.leggauss(5)
    width = 6 / bins
    axis = torch.from_numpy(-3 + width * (np.arange(bins)[:, None] + (node + 1) / 2).ravel())
    density = toy.log_prob(torch.cartesian_prod(axis, axis)).exp().numpy().reshape(bins, 5, bins, 5)
    expected = n * np.einsum("iajb,a,b->ij", density, weight, weight).ravel() * width**2 / 4
    common = expected >= 5
    counts = np.append(counts[common], n - counts[common].sum())
    expected = np.append(expected[common], n - expected[common].sum())
    counts, expected = counts[expected > 1e-6 * n], expected[expected > 1e-6 * n]
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, len(counts) - 1) > 1e-3


@every_toy
def test_same_seed_same_points_in_either_precision(toy):
    single, double = toy(50, generator=rng(3)), toy(50, generator=rng(3), dtype=torch.float64)
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    assert single.shape == (50, 2)
    assert torch.equal(single, double.float())
    assert not torch.equal(single, toy(50, generator=rng(4)))


@every_toy
def test_sampling_leaves_the_global_generator_alone(toy):
    before = torch.get_rng_state()
    toy(10, generator=rng())
    assert torch.equal(before, torch.get_rng_state())


@every_toy
def test_almost_everything_is_in_the_plotted_square(toy):
    assert (toy(10_000, generator=rng(5)).abs() <= 3).all(dim=1).float().mean() > 0.99


@every_toy
def test_log_prob_follows_dtype_and_does_not_depend_on_the_batch(toy):
    x = toy(9, generator=rng(6), dtype=torch.float64)
    whole = toy.log_prob(x)
    assert whole.isfinite().all()
    assert toy.log_prob(x.float()).dtype == torch.float32
    torch.testing.assert_close(torch.cat([toy.log_prob(row[None]) for row in x]), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("toy", [toy for toy in toys.ALL if toy is not toys.checkerboard], ids=lambda toy: toy.name)
def test_score_of_the_density_is_finite_where_samples_fall(toy):
    x = toy(100, generator=rng(7), dtype=torch.float64).requires_grad_()
    (score,) = torch.autograd.grad(toy.log_prob(x).sum(), x)
    assert score.isfinite().all()
    assert score.norm(dim=1).max() > 0.1


@pytest.mark.parametrize("toy", [toys.ellipse, toys.ring, toys.gaussian_grid], ids=lambda toy: toy.name)
def test_mixture_density_agrees_with_scipy(toy):
    x = toy(200, generator=rng(8), dtype=torch.float64)
    parts = zip(toy.weights.numpy(), toy.means.numpy(), toy.covariances.numpy(), strict=True)
    expected = sum(weight * stats.multivariate_normal(mean, covariance).pdf(x.numpy()) for weight, mean, covariance in parts)
    np.testing.assert_allclose(toy.log_prob(x).exp().numpy(), expected, rtol=1e-10)


def test_ellipse_is_the_stated_gaussian():
    mean, covariance = toys.ellipse.mean, toys.ellipse.covariance
    assert mean.tolist() == [0.5, -0.25]
    assert torch.equal(covariance, covariance.T)
    values, vectors = torch.linalg.eigh(covariance)
    torch.testing.assert_close(values, torch.tensor([0.05, 1.0], dtype=torch.float64))
    assert (vectors[1, 1] / vectors[0, 1]).item() == pytest.approx(math.tan(math.pi / 6))
    x = toys.ellipse(200_000, generator=rng(9), dtype=torch.float64)
    torch.testing.assert_close(x.mean(dim=0), mean, atol=0.01, rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=0.01, rtol=0)


def test_ring_is_eight_gaussians_at_radius_two():
    assert toys.ring.weights.tolist() == [1 / 8] * 8
    torch.testing.assert_close(toys.ring.means.norm(dim=1), torch.full((8,), 2.0, dtype=torch.float64))
    gaps = torch.cdist(toys.ring.means, toys.ring.means).sort(dim=1).values[:, 1]
    torch.testing.assert_close(gaps, torch.full((8,), 4 * math.sin(math.pi / 8), dtype=torch.float64))
    assert torch.equal(toys.ring.covariances, (0.2**2 * torch.eye(2, dtype=torch.float64)).expand(8, 2, 2))


def test_banana_has_the_stated_moments():
    x = toys.banana(400_000, generator=rng(10), dtype=torch.float64)
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(2, dtype=torch.float64), atol=0.01, rtol=0)
    expected = torch.diag(torch.tensor([0.9**2, 0.3**2 + 2 * 0.4**2], dtype=torch.float64))
    torch.testing.assert_close(x.T.cov(), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("toy", [toys.two_moons, toys.two_spirals, toys.swiss_roll], ids=lambda toy: toy.name)
def test_curve_quadrature_has_converged(toy, monkeypatch):
    x = torch.cat([toy(300, generator=rng(11), dtype=torch.float64), torch.rand(100, 2, generator=rng(12)).double() * 6 - 3])
    coarse = toy.log_prob(x)
    monkeypatch.setattr(curves, "_NODES", 2 * curves._NODES)
    torch.testing.assert_close(coarse, toy.log_prob(x), rtol=0, atol=1e-8)


def test_a_full_turn_of_arc_reproduces_the_circle():
    """The quadrature of ``Curve`` against the Bessel function of ``Circles``."""
    arm = curves._spiral(0.3, 1.0, 1.3, 1.3)
    x = 3 * torch.rand(200, 2, generator=rng(13), dtype=torch.float64) - 1.5
    by_quadrature = toys.Curve("one circle", (arm,), std=0.15).log_prob(x)
    torch.testing.assert_close(by_quadrature, toys.Circles("one circle", (1.3,), 0.15).log_prob(x), rtol=0, atol=1e-9)


def test_checkerboard_knows_its_edges():
    inside = torch.tensor([[-2.0, -2.0], [0.5, 0.5], [-0.5, -0.5], [1.999, -0.001 + 2]])
    outside = torch.tensor([[2.0, 2.0], [0.5, -0.5], [-2.1, 0.5], [5.0, 5.0]])
    assert (toys.checkerboard.log_prob(inside) == -torch.tensor(8.0).log()).all()
    assert (toys.checkerboard.log_prob(outside) == -math.inf).all()
    assert toys.checkerboard.log_prob(toys.checkerboard(100_000, generator=rng(14))).isfinite().all()


@every_toy
@given(n=st.integers(max_value=0))
def test_too_few_points_are_refused(toy, n):
    with pytest.raises(ValueError, match="at least 1"):
        toy(n, generator=rng())


@given(n=st.one_of(st.booleans(), st.floats(), st.none(), st.text()))
def test_a_count_that_is_no_int_is_refused(n):
    with pytest.raises(TypeError):
        toys.ring(n, generator=rng())


@pytest.mark.parametrize("generator", [None, 0, "seed", torch.default_generator.manual_seed])
def test_what_is_no_generator_is_refused(generator):
    with pytest.raises(TypeError):
        toys.ring(3, generator=generator)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_a_dtype_that_is_not_floating_is_refused(dtype):
    with pytest.raises(TypeError, match="floating-point"):
        toys.ring(3, generator=rng(), dtype=dtype)


@given(shape=st.lists(st.integers(0, 4), max_size=3).filter(lambda shape: len(shape) != 2 or shape[1] != 2))
def test_log_prob_of_the_wrong_shape_is_refused(shape):
    with pytest.raises((TypeError, ValueError)):
        toys.ring.log_prob(torch.zeros(shape))


def test_log_prob_of_integers_is_refused():
    with pytest.raises(TypeError):
        toys.ring.log_prob(torch.zeros(3, 2, dtype=torch.int64))
