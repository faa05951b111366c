"""Distances with closed forms, metric properties, and an order fit that refuses what has no slope."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import metrics


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, d=1, *, mean=0.0, scale=1.0, seed=0):
    return mean + scale * torch.randn(n, d, dtype=torch.float64, generator=rng(seed))


def mean_distance(shift, scale):
    """E|Z| for Z normal with this mean and standard deviation."""
    return scale * math.sqrt(2 / math.pi) * math.exp(-(shift**2) / (2 * scale**2)) + shift * math.erf(
        shift / (scale * math.sqrt(2))
    )


def exact_energy(shift, scale):
    """Energy distance between N(0, 1) and N(shift, scale^2)."""
    across = mean_distance(shift, math.hypot(1, scale))
    return 2 * across - 2 / math.sqrt(math.pi) - 2 * scale / math.sqrt(math.pi)


@pytest.mark.parametrize(("shift", "scale"), [(1.0, 1.0), (0.0, 2.0), (0.5, 0.7)])
def test_energy_distance_of_normals(shift, scale):
    x, y = normal(4000, seed=1), normal(3000, mean=shift, scale=scale, seed=2)
    found = metrics.energy_distance(x, y, standard_error=True)
    assert found.value == pytest.approx(exact_energy(shift, scale), abs=4 * found.standard_error)
    assert found.standard_error < 0.05


def test_energy_distance_is_unbiased_and_its_standard_error_honest():
    found = [
        metrics.energy_distance(normal(60, seed=2 * k), normal(40, mean=1.0, seed=2 * k + 1), standard_error=True)
        for k in range(300)
    ]
    values = torch.tensor([f.value for f in found], dtype=torch.float64)
    spread = float(values.std())
    assert float(values.mean()) == pytest.approx(exact_energy(1.0, 1.0), abs=4 * spread / math.sqrt(300))
    typical = math.sqrt(sum(f.standard_error**2 for f in found) / 300)
    assert 0.8 < typical / spread < 1.25


def test_energy_distance_by_hand():
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [4.0], [1.0]])
    across, inside_x, inside_y = (1 + 4 + 1 + 1 + 2 + 1) / 6, 2.0, (3 + 0 + 3) / 3
    assert metrics.energy_distance(x, y) == pytest.approx(2 * across - inside_x - inside_y, abs=1e-15)


def test_energy_distance_does_not_depend_on_order_chunks_or_shape():
    x, y = normal(70, 6, seed=1), normal(50, 6, mean=0.3, seed=2)
    value = metrics.energy_distance(x, y)
    assert metrics.energy_distance(y, x) == pytest.approx(value, abs=1e-14)
    assert metrics.energy_distance(x[torch.randperm(70, generator=rng())], y) == pytest.approx(value, abs=1e-14)
    assert metrics.energy_distance(x, y, chunk=7) == pytest.approx(value, abs=1e-14)
    assert metrics.energy_distance(x.reshape(70, 2, 3), y.reshape(50, 2, 3)) == pytest.approx(value, abs=1e-14)
    turn = torch.linalg.qr(normal(6, 6, seed=5)).Q
    assert metrics.energy_distance(x @ turn, y @ turn) == pytest.approx(value, abs=1e-13)


def test_far_points_keep_their_distance():
    x = 1e8 + torch.arange(4, dtype=torch.float64)[:, None]
    assert metrics.energy_distance(x, x + 0.5) == pytest.approx(metrics.energy_distance(x - 1e8, x - 1e8 + 0.5), abs=1e-7)


@pytest.mark.parametrize("shape", [(1, 2), (3,)])
def test_too_few_points_are_refused(shape):
    with pytest.raises(ValueError, match="2 points each at least"):
        metrics.energy_distance(torch.zeros(*shape), torch.zeros(*shape))


def test_sliced_wasserstein_of_a_shift_is_exact():
    x, shift = normal(500, 3), torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    directions = torch.randn(3, 64, dtype=torch.float64, generator=rng(7))
    exact = ((directions / directions.norm(dim=0)).T @ shift).square().mean().sqrt()
    assert metrics.sliced_wasserstein(x, x + shift, 64, generator=rng(7)) == pytest.approx(float(exact), rel=1e-12)
    many = metrics.sliced_wasserstein(x, x + shift, 20_000, generator=rng(8))
    assert many == pytest.approx(3 / math.sqrt(3), rel=0.02), "the mean square projection of a vector is its square / d"


def test_sliced_wasserstein_of_scaled_normals():
    found = metrics.sliced_wasserstein(normal(20_000, 2), normal(20_000, 2, scale=3.0, seed=1), 50, generator=rng())
    assert found == pytest.approx(2.0, rel=0.03)


def test_sliced_wasserstein_of_clouds_of_different_size():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0], [2.0]])
    exact = math.sqrt((1 / 6) * 1 + (1 / 3) * 1)
    assert metrics.sliced_wasserstein(x, y, 3, generator=rng()) == pytest.approx(exact, abs=1e-12)
    doubled = torch.cat([x, x])
    assert metrics.sliced_wasserstein(x, doubled, 3, generator=rng()) == pytest.approx(0, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), m=st.integers(1, 12), k=st.integers(1, 12))
def test_sliced_wasserstein_is_a_metric(seed, n, m, k):
    x, y, z = normal(n, 2, seed=seed), normal(m, 2, seed=seed + 1), normal(k, 2, seed=seed + 2)

    def distance(a, b):
        return metrics.sliced_wasserstein(a, b, 8, generator=rng(3))

    assert distance(x, y) == pytest.approx(distance(y, x), abs=1e-12)
    assert distance(x, x.flip(0)) == pytest.approx(0, abs=1e-12)
    assert distance(x, z) <= distance(x, y) + distance(y, z) + 1e-12


@settings(max_examples=40, deadline=None)
@given(order=st.floats(0.5, 5), constant=st.floats(1e-3, 1e3))
def test_an_exact_power_has_its_order_and_no_error(order, constant):
    n = torch.tensor([5.0, 10, 20, 40], dtype=torch.float64)
    found = metrics.fitted_order(n, constant * n**-order)
    assert found.order == pytest.approx(order, abs=1e-10)
    assert found.standard_error == pytest.approx(0, abs=1e-7)


def test_the_fit_agrees_with_scipy():
    from scipy.stats import linregress

    n, error = [4, 8, 16, 32, 64], [0.31, 0.14, 0.081, 0.034, 0.02]
    exact = linregress([math.log(v) for v in n], [math.log(v) for v in error])
    found = metrics.fitted_order(n, error)
    assert found.order == pytest.approx(-exact.slope, rel=1e-12)
    assert found.standard_error == pytest.approx(exact.stderr, rel=1e-12)


def test_two_points_have_an_order_and_no_error_bar():
    found = metrics.fitted_order([1, 2], [1.0, 0.25])
    assert found.order == pytest.approx(2)
    assert math.isnan(found.standard_error)


@pytest.mark.parametrize(
    ("steps", "errors", "message"),
    [
        ([1, 2], [1.0, 0.0], "zero has no logarithm"),
        ([1, 2], [1.0, math.nan], "a run diverged"),
        ([1, 2], [math.inf, 1.0], "a run diverged"),
        ([0, 2], [1.0, 1.0], "steps .* not all positive"),
        ([2, 2], [1.0, 1.0], "two different numbers"),
        ([1], [1.0], "two at least"),
        ([1, 2, 3], [1.0, 1.0], "as many steps as errors"),
    ],
)
def test_what_has_no_slope_is_refused(steps, errors, message):
    with pytest.raises(ValueError, match=message):
        metrics.fitted_order(steps, errors)


def test_explained_variance_is_not_mean_subtracted():
    a = torch.tensor([[3.0], [5.0]])
    assert metrics.explained_variance(a, a) == 1
    assert metrics.explained_variance(a, 0 * a) == 0
    assert metrics.explained_variance(a, -a) == pytest.approx(-3)
    assert metrics.explained_variance(a, torch.full_like(a, 4.0)) == pytest.approx(1 - 2 / 34)
    with pytest.raises(ValueError, match="zero everywhere"):
        metrics.explained_variance(0 * a, a)
    with pytest.raises((ValueError, TypeError), match=r"need the same|violates type hint"):
        metrics.explained_variance(a, a[:1])


def test_moment_errors():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]], dtype=torch.float64)
    covariance = torch.diag(torch.tensor([2.0, 8.0], dtype=torch.float64)) / 3
    exact = metrics.mean_and_covariance_error(x, torch.zeros(2), covariance)
    assert exact == pytest.approx((0, 0), abs=1e-15)
    moved = metrics.mean_and_covariance_error(x + torch.tensor([3.0, 4.0]), torch.zeros(2), covariance + 2.0)
    assert moved == pytest.approx((5, 4), abs=1e-12)
    with pytest.raises((ValueError, TypeError), match=r"do not fit|violates type hint"):
        metrics.mean_and_covariance_error(x, torch.zeros(3), covariance)


@pytest.mark.parametrize("name", ["energy_distance", "sliced_wasserstein", "explained_variance"])
def test_nan_is_refused(name):
    x = torch.zeros(4, 2)
    bad = x.clone()
    bad[0, 0] = math.nan
    extra = {"generator": rng()} if name == "sliced_wasserstein" else {}
    with pytest.raises(ValueError, match="NaN or infinite"):
        getattr(metrics, name)(x + 1, bad, **extra)


def test_relative_error_is_in_standard_deviations_of_the_exact_pictures():
    exact = torch.tensor([[-1.0, 1.0], [3.0, 5.0]])
    assert metrics.relative_error(exact, exact) == 0
    assert metrics.relative_error(torch.full_like(exact, 2.0), exact) == pytest.approx(1)
    assert metrics.relative_error(exact + 1, exact) == pytest.approx(1 / math.sqrt(5))
    assert metrics.relative_error(exact.half(), exact.double()) == 0
    with pytest.raises(ValueError, match="all one gray"):
        metrics.relative_error(exact, torch.ones_like(exact))
