"""The bound on the error of a jump: above the true error, zero for Gaussian models, the same on every schedule."""

import math

import pytest
import torch
from gaussian_helpers import SCHEDULES

import workbench as wb
from workbench.gaussian import EmpiricalDenoiser, GaussianDenoiser, MixtureDenoiser, safe_skip, skip_errors, teleport

MEANS = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=torch.float64)
SPREAD = MEANS.T @ MEANS / 3 + 0.04 * torch.eye(2, dtype=torch.float64)


@pytest.fixture
def blobs():
    return MixtureDenoiser(torch.ones(3), MEANS, 0.04, wb.schedules.VE())


@pytest.fixture
def one(blobs):
    return GaussianDenoiser(MEANS.mean(0), SPREAD, blobs.schedule)


def true_errors(model, law, grid, indices, rng):
    """What jumps really leave: the tail by small steps, against the whole way by small steps."""
    noise = law.schedule.prior((200, 2), float(grid[0]), generator=rng, dtype=torch.float64)
    fine, solver = wb.grids.karras(law.schedule, 80), wb.solvers.UniPC()
    truth = wb.solve(model, noise, fine, solver).x
    found = []
    for k in indices:
        start = teleport(law, noise, grid[0], grid[k])
        tail = wb.grids.karras(law.schedule, 60, start=float(grid[k]))
        gap = wb.solve(model, start, tail, solver).x - truth
        found.append(gap.square().sum(1).mean().sqrt().item() / float(SPREAD.trace()) ** 0.5)
    return found


def test_it_bounds_the_error_and_is_not_idle(blobs, one, rng):
    grid = wb.grids.karras(blobs.schedule, 18)
    bound = skip_errors(blobs, one, blobs.sample(2000, generator=rng, dtype=torch.float64), grid, generator=rng)
    assert bound[0] == 0
    assert (bound.diff() >= 0).all()
    for k, error in zip((8, 10, 12), true_errors(blobs, one, grid, (8, 10, 12), rng), strict=True):
        assert error <= bound[k] <= 8 * error, (k, error, float(bound[k]))


def test_it_is_the_integral_it_says(blobs, one, rng):
    """Against a fine quadrature of the formula, written out with matrices."""
    x0 = blobs.sample(500, generator=rng, dtype=torch.float64)
    coarse = wb.grids.karras(blobs.schedule, 12, stop=0.5)
    fine = wb.grids.karras(blobs.schedule, 240, stop=0.5)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    height = []
    for t in fine.tolist():
        gap = blobs.data(x0 + t * eps, t) - one.data(x0 + t * eps, t)
        shrink = SPREAD @ torch.linalg.inv(SPREAD + t * t * torch.eye(2, dtype=torch.float64))
        height.append(math.sqrt(float(((gap @ shrink) * gap).sum(1).mean() / SPREAD.trace())))
    height = torch.tensor(height, dtype=torch.float64)
    expected = torch.trapezoid(height, -fine.log())
    found = skip_errors(blobs, one, x0, coarse, generator=torch.Generator().manual_seed(3))[-1]
    assert found == pytest.approx(float(expected), rel=0.08)


@pytest.mark.parametrize("other", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_schedules_with_the_same_noise_agree(other, blobs, one, rng):
    x0 = blobs.sample(200, generator=rng, dtype=torch.float64)
    levels = torch.linspace(-2.5, 1.0, 12, dtype=torch.float64)

    def on(schedule):
        grid = schedule.inverse_log_snr(levels)
        return skip_errors(blobs.on(schedule), one, x0, grid, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(on(other), on(wb.schedules.VE()), rtol=1e-6, atol=1e-9)


def test_a_start_without_data_and_an_end_without_noise(blobs, one, rng):
    straight = wb.schedules.Rectified()
    grid = torch.tensor([1.0, 0.9, 0.5, 0.1, 0.0], dtype=torch.float64)
    errors = skip_errors(blobs.on(straight), one, blobs.sample(100, generator=rng, dtype=torch.float64), grid, generator=rng)
    assert errors.isfinite().all()
    assert errors[1] == 0
    assert errors[-1] == errors[-2] > errors[2] > 0


def test_a_gaussian_model_may_be_skipped_whole(one, rng):
    grid = wb.grids.karras(one.schedule, 10)
    x0 = one.sample(50, generator=rng, dtype=torch.float64)
    skip = safe_skip(one, one, x0, grid, tolerance=1e-9, generator=rng)
    assert skip.steps == 9  # one step is left, so that there is something to solve
    assert skip.errors.abs().max() == 0


def test_the_rule_from_data_alone(blobs, one, rng):
    """The empirical law of the points stands in for a model, and a network is asked no more often than needed."""
    points = blobs.sample(400, generator=rng, dtype=torch.float64)
    grid = wb.grids.karras(blobs.schedule, 18)
    law = GaussianDenoiser.fit(points, blobs.schedule)
    from_data = safe_skip(EmpiricalDenoiser(points, blobs.schedule), law, points, grid, 0.01, generator=rng)
    exact = safe_skip(blobs, one, points, grid, 0.01, generator=rng)
    assert 7 <= exact.steps <= 9
    assert abs(from_data.steps - exact.steps) <= 1
    assert exact.errors[exact.steps] <= 0.01 < exact.errors[exact.steps + 1]
    assert exact.errors[exact.steps + 2] == math.inf


def test_refuses(one, rng):
    grid, x0 = wb.grids.karras(one.schedule, 4), torch.zeros(5, 2)
    with pytest.raises(ValueError, match="tolerance must be positive"):
        safe_skip(one, one, x0, grid, 0.0, generator=rng)
    with pytest.raises(ValueError, match="decreasing"):
        skip_errors(one, one, x0, grid.flip(0), generator=rng)
    with pytest.raises(ValueError, match="the law needs"):
        skip_errors(one, one, torch.zeros(5, 3), grid, generator=rng)
