"""The Frechet distance against closed forms, and the law of its bias against repeated sampling."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import metrics
from workbench.metrics import FeatureStatistics


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=rng(seed))


def covariance(f, seed=0):
    factor = normal(f, 2 * f, seed=seed)
    return factor @ factor.T / (2 * f)


def rotation(f, seed=0):
    return torch.linalg.qr(normal(f, f, seed=seed)).Q


def z(values, expected):
    values = torch.tensor(values, dtype=torch.float64)
    return float((values.mean() - expected) / (values.std() / math.sqrt(len(values))))


def test_one_dimension():
    one = torch.ones(1)
    assert metrics.frechet_distance(0 * one, 4.0 * one[:, None], 3 * one, one[:, None]) == pytest.approx(9 + 1, abs=1e-12)


def test_commuting_covariances():
    a, b = torch.tensor([4.0, 1.0, 0.0]), torch.tensor([1.0, 9.0, 4.0])
    turn = rotation(3)
    found = metrics.frechet_distance(torch.zeros(3), turn * a @ turn.T, torch.zeros(3), turn * b @ turn.T)
    assert found == pytest.approx(1 + 4 + 4, abs=1e-7)


def test_against_a_general_matrix_root():
    import numpy as np
    from scipy.linalg import sqrtm

    a, b, shift = covariance(6, 1), covariance(6, 2), normal(6, seed=3)
    root = np.real(sqrtm((a @ b).numpy()))
    expected = float(shift.square().sum() + a.trace() + b.trace()) - 2 * np.trace(root)
    assert metrics.frechet_distance(shift, a, torch.zeros(6), b) == pytest.approx(expected, rel=1e-9)


def test_the_optimal_map_attains_it():
    """For y = T x with T symmetric and positive, the distance of N(0, C) and N(0, T C T) is E|y - x|^2 = tr (T - 1) C (T - 1)."""
    c, t = covariance(5, 1), covariance(5, 2)
    moved = (t - torch.eye(5)) @ c @ (t - torch.eye(5))
    assert metrics.frechet_distance(torch.zeros(5), c, torch.zeros(5), t @ c @ t) == pytest.approx(float(moved.trace()), rel=1e-9)


@given(st.integers(1, 8), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_metric_properties(f, seed):
    a, b, ma, mb = covariance(f, seed), covariance(f, seed + 1), normal(f, seed=seed + 2), normal(f, seed=seed + 3)
    here = metrics.frechet_distance(ma, a, mb, b)
    assert here >= -1e-9
    assert here == pytest.approx(metrics.frechet_distance(mb, b, ma, a), abs=1e-9)
    assert metrics.frechet_distance(ma, a, ma, a) == pytest.approx(0, abs=1e-9)
    turn, shift = rotation(f, seed), normal(f, seed=seed + 4)
    turned = metrics.frechet_distance(turn @ ma + shift, turn @ a @ turn.T, turn @ mb + shift, turn @ b @ turn.T)
    assert turned == pytest.approx(here, abs=1e-8)


def test_statistics_of_batches_are_those_of_all():
    x = normal(50, 4)
    whole, parts = FeatureStatistics.of(x), FeatureStatistics.of(x.split(7))
    assert torch.allclose(whole.mean, x.mean(0)) and torch.allclose(whole.covariance, x.T.cov())
    assert torch.allclose(parts.mean, whole.mean) and torch.allclose(parts.covariance, whole.covariance) and parts.count == 50


def test_bias_in_one_dimension_is_known():
    """E (mean - 0)^2 + E (s - 1)^2 for n normals: 1/n + 2 - 2 E s, with E s from the gamma function."""
    n = 200
    mean_s = math.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
    one = torch.ones(1, 1)
    assert metrics.frechet_bias(one, one) / n == pytest.approx(1 / n + 2 - 2 * mean_s, rel=0.01)


def controlled(own, mean, c, reference):
    """F_n - F without its part of first order in the errors of the sample moments, which is 0 in the mean: what is left is the bias.

    dF = 2 (m - m_2) dm + tr (I - T) dC, with T the optimal map of the two Gaussians.
    """
    root = torch.linalg.cholesky(reference.covariance)
    values, vectors = torch.linalg.eigh(root.T @ c @ root)
    back = root @ vectors
    first = torch.eye(len(c)) - back / values.sqrt() @ back.T
    slope = 2 * (mean - reference.mean) @ (own.mean - mean) + (first * (own.covariance - c)).sum()
    true = metrics.frechet_distance(mean, c, reference.mean, reference.covariance)
    return true, float(slope)


def test_bias_law_on_gaussians():
    """F_n - F is c / n in the mean over repeated samples, for unequal covariances and means."""
    c, shift, n = covariance(4, 1), 0.5 * normal(4, seed=3), 300
    reference = FeatureStatistics(torch.zeros(4, dtype=torch.float64), covariance(4, 2), 10**6)
    root, found = torch.linalg.cholesky(c), []
    for seed in range(300):
        own = FeatureStatistics.of(shift + normal(n, 4, seed=seed) @ root.T)
        true, slope = controlled(own, shift, c, reference)
        found.append(metrics.frechet_distance(own.mean, own.covariance, reference.mean, reference.covariance) - true - slope)
    expected = metrics.frechet_bias(c, reference.covariance) / n
    assert abs(z(found, expected)) < 4
    assert abs(z(found, 0.8 * expected)) > 4, "the test must be able to tell a fifth less"


@pytest.mark.parametrize("law", ["normal", "exponential", "uniform"])
def test_estimate_is_unbiased_and_its_standard_error_honest(law):
    f, n, runs = 3, 300, 300
    draw = {
        "normal": lambda g: torch.randn(n, f, dtype=torch.float64, generator=g),
        "exponential": lambda g: -torch.rand(n, f, dtype=torch.float64, generator=g).log() - 1,
        "uniform": lambda g: (torch.rand(n, f, dtype=torch.float64, generator=g) - 0.5) * math.sqrt(12),
    }[law]
    mix, shift = torch.linalg.cholesky(covariance(f, 5)), 0.7 * normal(f, seed=6)
    reference = FeatureStatistics(torch.zeros(f, dtype=torch.float64), covariance(f, 7), 10**6)
    found, left = [], []
    for seed in range(runs):
        x = shift + draw(rng(seed)) @ mix.T
        true, slope = controlled(FeatureStatistics.of(x), shift, mix @ mix.T, reference)
        found.append(metrics.frechet_estimate(x, reference))
        left.append(found[-1].value - true - slope)
    assert abs(z(left, 0.0)) < 4
    assert abs(z([gap + e.bias for gap, e in zip(left, found, strict=True)], 0.0)) > 6, "uncorrected it is biased"
    spread = float(torch.tensor([e.value for e in found]).std())
    typical = math.sqrt(sum(e.standard_error**2 for e in found) / runs)
    assert 0.85 < typical / spread < 1.15
    assert found[0].value == pytest.approx(found[0].plain - found[0].bias)


def test_a_difference_on_the_same_noise_is_known_better_than_each():
    f, n, runs = 3, 300, 100
    mix, shift = torch.linalg.cholesky(covariance(f, 5)), 0.7 * normal(f, seed=6)
    reference = FeatureStatistics(torch.zeros(f, dtype=torch.float64), covariance(f, 7), 10**6)
    found = []
    for seed in range(runs):
        x = torch.randn(n, f, dtype=torch.float64, generator=rng(seed)) @ mix.T
        a, b = shift + x, 0.9 * shift + 1.05 * x
        found.append(metrics.frechet_difference(a, b, reference))
    alone = [metrics.frechet_estimate(one, reference) for one in (a, b)]
    assert found[-1].value == pytest.approx(alone[0].value - alone[1].value, abs=1e-12)
    spread = float(torch.tensor([e.value for e in found]).std())
    typical = math.sqrt(sum(e.standard_error**2 for e in found) / runs)
    assert 0.8 < typical / spread < 1.25
    assert typical < 0.5 * math.hypot(*(e.standard_error for e in alone))
    assert metrics.frechet_difference(x, x, reference) == (0, 0)


def test_pairs_need_partners():
    reference = FeatureStatistics(torch.zeros(3, dtype=torch.float64), covariance(3, 7), 10)
    with pytest.raises(ValueError, match="got 20 and 19 samples"):
        metrics.frechet_difference(normal(20, 3), normal(19, 3), reference)


def test_estimate_ignores_the_coordinates():
    x, turn, shift = normal(80, 4), rotation(4, 1), normal(4, seed=2)
    reference = FeatureStatistics(shift, covariance(4, 3), 1000)
    turned = FeatureStatistics(turn @ shift, turn @ reference.covariance @ turn.T, 1000)
    assert metrics.frechet_estimate(x @ turn.T, turned) == pytest.approx(metrics.frechet_estimate(x, reference), rel=1e-8)


def test_extrapolation_finds_the_line():
    c = covariance(4, 1)
    reference = FeatureStatistics(torch.zeros(4, dtype=torch.float64), c, 10**6)
    found = [
        metrics.extrapolated_frechet(normal(300, 4, seed=seed) @ torch.linalg.cholesky(c).T, reference, generator=rng(seed))
        for seed in range(80)
    ]
    assert abs(z([e.value for e in found], 0.0)) < 4
    assert sum(e.slope for e in found) / len(found) == pytest.approx(metrics.frechet_bias(c, c), rel=0.2)


def test_what_is_refused():
    eye, zero = torch.eye(2), torch.zeros(2)
    with pytest.raises((ValueError, TypeError), match=r"must fit|violates type hint"):
        metrics.frechet_distance(zero, eye, torch.zeros(3), eye)
    with pytest.raises(ValueError, match="not symmetric"):
        metrics.frechet_distance(zero, torch.tensor([[1.0, 1.0], [0.0, 1.0]]), zero, eye)
    with pytest.raises(ValueError, match="below 0"):
        metrics.frechet_distance(zero, -eye, zero, eye)
    with pytest.raises(ValueError, match="more samples than features"):
        metrics.frechet_estimate(normal(4, 4), FeatureStatistics.of(normal(9, 4)))
    with pytest.raises(ValueError, match="the reference has 3"):
        metrics.frechet_estimate(normal(9, 4), FeatureStatistics.of(normal(9, 3)))
    with pytest.raises(ValueError, match="NaN"):
        FeatureStatistics.of(torch.full((3, 2), math.nan))
    with pytest.raises(ValueError, match="sizes"):
        metrics.extrapolated_frechet(normal(9, 2), FeatureStatistics.of(normal(9, 2)), [9], generator=rng())
