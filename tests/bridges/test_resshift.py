"""ResShift: its marginals, its posterior from Bayes' rule, its grid, and its place in DDIM's family."""

import math

import pytest
import torch
from pairs import mixture_pairs

import workbench as wb
from workbench.bridges import Bridge, ResShift, ResShiftStep, translate


def test_marginals_are_the_published_ones():
    schedule = ResShift(kappa=1.5)
    for t in (0.02, 0.3, 0.99):
        eta = t * t
        assert schedule.coefficients(t) == pytest.approx((eta, 1 - eta, 1.5 * math.sqrt(eta)), rel=1e-14)


def test_posterior_from_bayes():
    """x_t = x_s + (eta_t - eta_s) (x_T - x_0) + kappa sqrt(eta_t - eta_s) z, turned round."""
    schedule, x0, end, x = ResShift(kappa=0.8), 0.7, -0.4, 0.15
    for t, s in ((0.99, 0.6), (0.5, 0.2)):
        eta_t, eta_s = t * t, s * s
        prior, known = x0 + eta_s * (end - x0), 0.8**2 * eta_s
        told, added = x - (eta_t - eta_s) * (end - x0), 0.8**2 * (eta_t - eta_s)
        variance = 1 / (1 / known + 1 / added)
        mean = variance * (prior / known + told / added)
        row = ResShiftStep().weights(schedule, t, s)
        assert row.x * (x - eta_t * end) + row.data * x0 + eta_s * end == pytest.approx(mean, rel=1e-12)
        assert row.x * x + row.data * x0 == pytest.approx(mean, rel=1e-12)  # without x_T
        assert row.noise**2 == pytest.approx(variance, rel=1e-12)


def test_steps_keep_the_marginals_exactly():
    schedule = ResShift()
    grid = schedule.grid()[:-1]
    for row, s in zip(ResShiftStep().plan(schedule, grid), grid[1:].tolist(), strict=True):
        assert row.x * schedule.alpha(row.t) + row.data == pytest.approx(schedule.alpha(s), abs=1e-14)
        assert row.x**2 * schedule.sigma(row.t) ** 2 + row.noise**2 == pytest.approx(schedule.sigma(s) ** 2, abs=1e-14)


def test_it_is_ddim_with_an_eta_below_one():
    schedule = ResShift()
    grid = schedule.grid().tolist()[:-1]
    for t, s in zip(grid, grid[1:], strict=False):
        row, h = ResShiftStep().weights(schedule, t, s), schedule.log_snr(s) - schedule.log_snr(t)
        eta = row.noise / schedule.sigma(s) / math.sqrt(-math.expm1(-2 * h))
        assert 0 < eta < 1
        assert eta == pytest.approx((1 - s * s) / math.sqrt(1 - (s * t) ** 2), rel=1e-11)
        same = wb.solvers.DDIM(eta).weights(schedule, t, s)
        assert (row.x, row.data, row.noise) == pytest.approx((same.x, same.data, same.noise), rel=1e-11)


def test_grid_as_published():
    grid = ResShift(kappa=2.0).grid(15, 0.3)
    assert len(grid) == 16 and grid[0] == 0.99 and grid[-1] == 0 and grid[-2].item() == pytest.approx(0.02)
    ratio = math.exp(math.log(0.99 / 0.02) / 14)
    expected = [0.02 * ratio ** ((k / 14) ** 0.3 * 14) for k in range(15)]
    assert grid.flip(0)[1:].tolist() == pytest.approx(expected, rel=1e-12)
    for steps, power in ((1, 0.3), (15, 0.0)):
        with pytest.raises(ValueError, match="needs steps >= 2"):
            ResShift().grid(steps, power)


def test_the_chain_samples_the_law(rng):
    schedule = ResShift(kappa=1.0)
    pairs = mixture_pairs(schedule)
    x0, end = pairs.sample(4000, generator=rng, dtype=torch.float64)
    noise = torch.randn(4000, 2, generator=rng, dtype=torch.float64)
    start = schedule.start(end, noise)
    assert torch.allclose(schedule.placed(start, end, 0.99), end + 0.99 * noise, rtol=1e-12)
    run = wb.solve(pairs.given(end), start, schedule.grid(40), ResShiftStep(), generator=rng)
    assert run.evaluations == 40
    error = wb.metrics.energy_distance(torch.cat([run.x, end], 1)[:1500], torch.cat([x0, end], 1)[1500:3000])
    assert error < 0.05
    again = translate(pairs, end, schedule.grid(15), ResShiftStep(), generator=rng)
    assert bool(again.x.isfinite().all()) and again.evaluations == 15


def test_every_solver_runs_to_zero(rng):
    schedule = ResShift()
    pairs = mixture_pairs(schedule)
    _, end = pairs.sample(3, generator=rng, dtype=torch.float64)
    for solver in (wb.bridges.DBIM(order=3), wb.solvers.UniPC(), wb.solvers.RK4(variable="t"), ResShiftStep()):
        for steps in (1, 2, 5):
            run = translate(pairs, end, wb.grids.uniform(schedule, steps, 1.0, 0.0), solver, generator=rng)
            assert bool(run.x.isfinite().all())
    with pytest.raises(TypeError, match="posterior of the ResShift schedule"):
        translate(mixture_pairs(Bridge()), end, [0.9, 0.5, 0.0], ResShiftStep(), generator=rng)
