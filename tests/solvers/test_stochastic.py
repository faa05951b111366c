"""Methods that draw noise: mean and variance by closed recursion, EDM's Algorithm 2 written out again, weak order."""

import itertools
import math

import numpy as np
import pytest
import torch
from gaussian_recursion import propagate
from helpers import POINT, PRESERVING, SCHEDULES, STANDARD, Exact, Mixture, exact_on_points, label, levels, name

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
STOCHASTIC = [solver for solver in solvers.ALL if solver.stochastic]
POSTERIOR = [solver for solver in STOCHASTIC if exact_on_points(solver)]


@every
@pytest.mark.parametrize("solver", POSTERIOR, ids=label)
def test_marginals_of_a_point_are_exact(solver, schedule) -> None:
    """x_0 = 0.7 for certain: x_s is N(alpha 0.7, sigma^2) after any number of steps."""
    for n in (1, 3, 8):
        grid = wb.grids.log_snr(schedule, n, stop=2 * schedule.t_last)
        for i in (1, n):
            (a, b), (c, d) = levels(schedule, grid[0].item()), levels(schedule, grid[i].item())
            mean, variance = propagate(solver, Mixture(schedule, POINT), grid[: i + 1], a * 0.7, b * b)
            assert mean == pytest.approx(c * 0.7, abs=1e-9)
            assert variance == pytest.approx(d * d, rel=1e-9 if n > 1 else 1e-5)  # one step of a thousandfold


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
def test_forward_variance_leaves_a_unit_gaussian_alone(schedule) -> None:
    for n in (1, 4, 20):
        grid = wb.grids.uniform(schedule, n, 0.9, 0.01)
        for variance in ("large", "small"):
            got = propagate(solvers.DDPM(variance=variance), Mixture(schedule, STANDARD), grid, 0.0, 1.0)
            assert (got[1] == pytest.approx(1, abs=1e-12)) == (variance == "large") and got[0] == 0


def test_published_variances_of_ten_steps() -> None:
    """Data N(0, .4^2), ten even steps of VP from 1 to .01: the truth, the posterior's and the forward variance."""
    model, grid = Mixture(VP(), ((1.0,), (0.0,), (0.4,))), wb.grids.uniform(VP(), 10, 1.0, 0.01)
    a, b = levels(VP(), 0.01)
    c, d = levels(VP(), 1.0)
    assert 0.16 * a * a + b * b == pytest.approx(0.1617, abs=5e-5)
    for variance, wanted in (("small", 0.0651), ("large", 0.2602)):
        got = propagate(solvers.DDPM(variance=variance), model, grid, 0.0, 0.16 * c * c + d * d)[1]
        assert got == pytest.approx(wanted, abs=5e-5)


@every
def test_the_posterior_step_from_bayes(schedule) -> None:
    """q(x_s | x_t, x_0) by conditioning a joint Gaussian; the forward variance by its definition."""
    t, s = (0.8, 0.3) if schedule.t_max == 1 else (8.0, 0.6)
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    covariance, variance = a / c * d * d, b * b  # of (x_s, x_t) and of x_t, given x_0: x_t = (a / c) x_s + fresh noise
    gain = covariance / variance
    small, forward = d * d - gain * covariance, b * b - (a / c * d) ** 2
    for kind, wanted in (("small", small), ("large", forward)):
        (row,) = solvers.DDPM(variance=kind).plan(schedule, torch.tensor([t, s], dtype=torch.float64))
        assert (row.t, row.x, row.data) == pytest.approx((t, gain, c - gain * a), rel=1e-12)
        assert row.noise**2 == pytest.approx(wanted, rel=1e-12)


@every
def test_eta_interpolates_between_the_flow_and_the_posterior(schedule) -> None:
    grid = wb.grids.karras(schedule, 6)
    for one, two in zip(solvers.DDIM(eta=1.0).plan(schedule, grid), solvers.DDPM().plan(schedule, grid), strict=True):
        assert tuple(one) == pytest.approx(tuple(two), rel=1e-10)
    rows = solvers.DDIM(eta=0.5).plan(schedule, grid)
    for row, full, t, s in zip(rows, solvers.DDPM().plan(schedule, grid), grid.tolist(), grid[1:].tolist(), strict=False):
        (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
        fresh = 0.5 * full.noise
        along = math.sqrt(d * d - fresh * fresh)  # x_s = c data + along noise + fresh z, noise = (x - a data) / b
        assert tuple(row) == pytest.approx((t, along / b, c - along * a / b, fresh), rel=1e-9)


def test_textbook_eta_on_a_preserving_schedule() -> None:
    t, s = 0.8, 0.3
    (a, b), (c, d) = levels(VP(), t), levels(VP(), s)
    (row,) = solvers.DDIM(eta=0.7).plan(VP(), torch.tensor([t, s], dtype=torch.float64))
    assert row.noise == pytest.approx(0.7 * d / b * math.sqrt(1 - a * a / (c * c)), rel=1e-12)


def test_ancestral_sampling_has_weak_order_one() -> None:
    a, b = levels(VP(), 0.01)
    model, truth, errors = Exact(VP(), ((1.0,), (0.3,), (0.4,))), 0.16 * a * a + b * b, []
    for n in (80, 160):
        c, d = levels(VP(), 1.0)
        grid = wb.grids.log_snr(VP(), n, 1.0, 0.01)
        errors.append([abs(propagate(s, model, grid, 0.3 * c, 0.16 * c * c + d * d)[1] - truth) for s in POSTERIOR[:3]])
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(slopes[-1], 1, atol=0.06)


@pytest.mark.parametrize("solver", STOCHASTIC, ids=label)
def test_samples_follow_the_recursion(solver) -> None:
    """Real draws: the sample's mean and variance lie within four standard errors of the closed form."""
    model, grid, size = Mixture(VP(), ((1.0,), (0.3,), (0.4,))), wb.grids.log_snr(VP(), 6, 1.0, 0.01), 20_000
    generator = torch.Generator().manual_seed(11)
    noise = VP().prior((size, 1), 1.0, generator=generator, dtype=torch.float64)
    mean, variance = propagate(solver, model, grid, 0.0, levels(VP(), 1.0)[1] ** 2)
    x = wb.solve(model, noise, grid, solver, generator=generator).x
    assert abs(x.mean().item() - mean) < 4 * math.sqrt(variance / size)
    assert abs(x.var().item() - variance) < 4 * variance * math.sqrt(2 / size)


def algorithm_2(denoise, x, sigmas, draws, churn, low, high, noise):
    """EDM's stochastic sampler from the formulas of the paper, in numpy: sigmas end in 0."""
    steps = len(sigmas) - 1
    for now, after in itertools.pairwise(sigmas):
        gamma = min(churn / steps, 2**0.5 - 1) if low <= now <= high else 0.0
        lifted = now + gamma * now
        if gamma:
            x = x + (lifted**2 - now**2) ** 0.5 * noise * next(draws)
        slope = (x - denoise(x, lifted)) / lifted
        ahead = x + (after - lifted) * slope
        if after:
            slope = 0.5 * (slope + (ahead - denoise(ahead, after)) / after)
            ahead = x + (after - lifted) * slope
        x = ahead
    return x


@pytest.mark.parametrize("churn", [0.0, 3.0, 40.0])
def test_heun_is_algorithm_2(churn) -> None:
    """With the same noise; the last step, to 0, is the data prediction and is not churned (so churn_min is set above it)."""
    model, n = Mixture(VE()), 12
    grid = wb.grids.karras(VE(), n, stop=0.0)
    low, high, scale = grid[-2].item() * 1.01, 50.0, 1.007
    x = VE().prior((4, 2), 80.0, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    stream = torch.Generator().manual_seed(5)
    draws = (torch.randn(4, 2, generator=stream).double().numpy() for _ in range(n))

    def denoise(value, sigma):
        return model.answer("data", torch.from_numpy(value), sigma).numpy()

    wanted = algorithm_2(denoise, x.numpy(), grid.tolist(), draws, churn, low, high, scale)
    solver = solvers.Heun(churn=churn, churn_min=low, churn_max=high, churn_noise=scale)
    run = wb.solve(model, x, grid, solver, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(run.x, torch.from_numpy(wanted), rtol=1e-10, atol=1e-10)
    assert run.evaluations == 2 * n - 1 and solver.stochastic == (churn > 0)


@every
def test_churn_stays_within_the_schedule(schedule) -> None:
    top = schedule.t_max if schedule.t_max == 1 and schedule.alpha(1.0) > 0 else schedule.t_first
    rows = solvers.Heun(churn=1e6).plan(schedule, wb.grids.log_snr(schedule, 5, start=top))
    assert all(schedule.alpha(row.stages[0].t) > 0 and row.stages[0].t <= schedule.t_max for row in rows)
    for row, t in zip(rows[1:], wb.grids.log_snr(schedule, 5, start=top)[1:].tolist(), strict=False):
        (a, b), (c, d) = levels(schedule, row.stages[0].t), levels(schedule, t)
        if row.stages[0].t < schedule.t_max:
            assert b / a == pytest.approx(math.sqrt(2) * d / c, rel=1e-9)
            assert row.noise == pytest.approx(a * d / c, rel=1e-9)  # the lift of the variance, 2 rho^2 - rho^2
        assert row.inflate == pytest.approx(a / c, rel=1e-9)


def test_messages() -> None:
    for make, message in (
        (lambda: solvers.DDIM(eta=1.5), r"eta must lie in \[0, 1\], got 1.5"),
        (lambda: solvers.Heun(churn=-1.0), "churn >= 0"),
        (lambda: solvers.Heun(churn_noise=-1.0), "positive churn_noise"),
        (lambda: solvers.Heun(churn=3.0, churn_noise=0.0), "no noise at all is churn=0"),
        (lambda: solvers.Heun(churn_min=2.0, churn_max=1.0), "churn_min < churn_max"),
        (lambda: solvers.Heun(churn=1.0, variable="t"), "use variable='rho'"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    for make in (lambda: solvers.DDPM(variance="medium"), lambda: solvers.Euler(variable="lambda")):
        with pytest.raises((ValueError, TypeError), match=r"variance|variable"):
            make()
