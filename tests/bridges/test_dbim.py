"""DBIM: exact marginals, the published formulas step for step, the orders it claims."""

import math

import pytest
import torch
from pairs import gaussian_pairs, mixture_pairs

import workbench as wb
from workbench.bridges import DBIM, Bridge, translate
from workbench.solvers import ddim

ETAS = (0.0, 0.5, 1.0)


@pytest.mark.parametrize("eta", ETAS)
def test_marginals_are_exact_for_the_exact_data(bridge, eta):
    """With x0 known, every step takes N(a x_T + b x_0, c^2) to the same law at the next time."""
    grid = wb.grids.log_snr(bridge, 7)
    for row, s in zip(DBIM(order=1, eta=eta).plan(bridge, grid), grid[1:].tolist(), strict=True):
        assert row.x * bridge.alpha(row.t) + row.past[0] == pytest.approx(bridge.alpha(s), abs=1e-14)
        variance = row.x**2 * bridge.sigma(row.t) ** 2 + row.noise**2
        assert variance == pytest.approx(bridge.sigma(s) ** 2, abs=1e-14)


@pytest.mark.parametrize("eta", ETAS)
def test_order_one_is_ddim_on_the_shifted_schedule(bridge, eta):
    grid = wb.grids.log_snr(bridge, 5)
    for ours, ddims in zip(DBIM(order=1, eta=eta).plan(bridge, grid), ddim.DDIM(eta).plan(bridge, grid), strict=True):
        assert (ours.x, ours.past, ours.noise) == (ddims.x, (ddims.data,), ddims.noise)


def published(model, end, noise, times, eta, draws):
    """Algorithm of the paper in its own coordinates: boot at T, then x_t from x_s, the last step without fresh noise."""
    bridge = model.schedule
    base = bridge.base

    def rho(t):
        return base.sigma(t) / base.alpha(t)

    def asked(x, t):
        return model.given(end).data(bridge.shifted(x, end, t), t)

    a, b, c = bridge.coefficients(times[0])
    guess = model.given(end).data(torch.zeros_like(end), bridge.t_max)
    x = a * end + b * guess + c * noise
    for k, (s, t) in enumerate(zip(times, times[1:], strict=False)):
        a_s, b_s, c_s = bridge.coefficients(s)
        a_t, b_t, c_t = bridge.coefficients(t)
        x0 = asked(x, s)
        omega = eta * base.alpha(t) * rho(t) * math.sqrt(1 - rho(t) ** 2 / rho(s) ** 2)
        x = a_t * end + b_t * x0 + math.sqrt(c_t**2 - omega**2) * (x - a_s * end - b_s * x0) / c_s
        x = x + omega * draws[k]
    return x


@pytest.mark.parametrize("eta", ETAS)
def test_first_order_as_published(bridge, eta, rng):
    model = gaussian_pairs(bridge)
    _, end = model.sample(6, generator=rng, dtype=torch.float64)
    times = torch.linspace(bridge.t_first, bridge.t_last, 6, dtype=torch.float64).tolist()
    seeds = [torch.Generator().manual_seed(k) for k in range(6)]
    run = translate(model, end, [bridge.t_max, *times], DBIM(order=1, eta=eta), generator=seeds)
    seeds = [torch.Generator().manual_seed(k) for k in range(6)]
    drawn = [torch.stack([torch.randn(2, generator=g) for g in seeds]).double() for _ in range(1 + 5 * (eta > 0))]
    expected = published(model, end, drawn[0], times, eta, drawn[1:] if eta else [0.0] * 5)
    assert torch.allclose(run.x, expected, rtol=0, atol=1e-12 * float(expected.abs().max()))
    assert run.evaluations == 6


def published_high_order(model, end, noise, times, order):
    """The paper's exponential multistep formulas in x, written with a, b, c and log(b / c); first and last step of order 1."""
    bridge, bound = model.schedule, model.given(end)
    a, b, c = bridge.coefficients(times[0])
    x = a * end + b * bound.data(torch.zeros_like(end), bridge.t_max) + c * noise
    answers, clocks = [], []
    for k, (s, t) in enumerate(zip(times, times[1:], strict=False)):
        (a_s, b_s, c_s), (a_t, b_t, c_t) = bridge.coefficients(s), bridge.coefficients(t)
        now, new = math.log(b_s / c_s), math.log(b_t / c_t)
        m = bound.data(bridge.shifted(x, end, s), s)
        h = new - now
        points = 1 if k in (0, len(times) - 2) else min(order, k + 1)
        total = (1 - math.exp(-h)) * m
        if points == 2:
            total = total + (math.exp(-h) + h - 1) * (m - answers[-1]) / (now - clocks[-1])
        if points == 3:
            h1, h2 = now - clocks[-1], clocks[-1] - clocks[-2]
            first = ((m - answers[-1]) * (2 * h1 + h2) / h1 - (answers[-1] - answers[-2]) * h1 / h2) / (h1 + h2)
            second = 2 * ((m - answers[-1]) / h1 - (answers[-1] - answers[-2]) / h2) / (h1 + h2)
            total = total + (math.exp(-h) + h - 1) * first + (h * h / 2 - h + 1 - math.exp(-h)) * second
        x = c_t / c_s * x + end * (a_t - a_s * c_t / c_s) + c_t * math.exp(new) * total
        answers.append(m)
        clocks.append(now)
    return x


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_orders_as_published(bridge, order, rng):
    model = mixture_pairs(bridge)
    _, end = model.sample(6, generator=rng, dtype=torch.float64)
    noise = torch.randn(6, 2, generator=rng, dtype=torch.float64)
    times = wb.grids.log_snr(bridge, 7).tolist()
    run = translate(model, end, [bridge.t_max, *times], DBIM(order=order, final_order=1), noise=noise)
    assert torch.allclose(run.x, published_high_order(model, end, noise, times, order), rtol=0, atol=1e-11)
    assert run.evaluations == len(times)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders(order, rng):
    """Against the exact flow of a Gaussian, from where the first step of order 1 costs nothing to where the flow is half done.

    (Over the whole of the flow the leading error of order 3 cancels, and 4 is measured.)
    """
    schedule = Bridge()
    model = gaussian_pairs(schedule)
    _, end = model.sample(8, generator=rng, dtype=torch.float64)
    bound, start, stop = model.given(end), 1 - 1e-10, 0.3
    y = torch.randn(8, 2, generator=rng, dtype=torch.float64)
    exact = bound.flow(y, start, stop)
    counts = (80, 160, 320)
    errors = [
        (wb.solve(bound, y, wb.grids.log_snr(schedule, n, start, stop), DBIM(order=order)).x - exact).norm(dim=1).mean()
        for n in counts
    ]
    assert wb.metrics.fitted_order(counts, errors).order == pytest.approx(order, abs=0.25)


def test_the_last_step_of_order_one_caps_the_order(rng):
    schedule = Bridge()
    model = gaussian_pairs(schedule)
    _, end = model.sample(8, generator=rng, dtype=torch.float64)
    bound, start, stop = model.given(end), 1 - 1e-10, 0.3
    y = torch.randn(8, 2, generator=rng, dtype=torch.float64)
    exact, counts, solver = bound.flow(y, start, stop), (80, 160, 320), DBIM(order=3, final_order=1)
    errors = [(wb.solve(bound, y, wb.grids.log_snr(schedule, n, start, stop), solver).x - exact).norm(dim=1).mean() for n in counts]
    assert solver.global_order == 2 == pytest.approx(wb.metrics.fitted_order(counts, errors).order, abs=0.2)


SOLVERS = [
    DBIM(order=1),
    DBIM(order=1, eta=1.0),
    DBIM(),
    DBIM(order=3),
    DBIM(order=3, final_order=1),
    wb.solvers.Heun(),
    wb.solvers.UniPC(),
]


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("steps", range(1, 13))
def test_never_nan_and_evaluations_counted(solver, steps, rng):
    schedule = Bridge()
    model = mixture_pairs(schedule)
    _, end = model.sample(3, generator=rng, dtype=torch.float64)
    for make in (wb.grids.uniform, wb.grids.log_snr):
        grid = make(schedule, steps, schedule.t_max, 0.0)
        run = translate(model, end, grid, solver, generator=rng)
        assert bool(run.x.isfinite().all())
        assert run.evaluations == solver.evaluations_on(schedule, grid)
        if isinstance(solver, DBIM):
            assert run.evaluations == steps


def test_results_do_not_depend_on_the_batch():
    schedule = Bridge()
    model = mixture_pairs(schedule)
    _, end = model.sample(5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grid = wb.grids.log_snr(schedule, 5, 1.0, 0.0)

    def seeds(chosen):
        return [torch.Generator().manual_seed(k) for k in chosen]

    for solver in (DBIM(order=1, eta=0.7), DBIM(order=3)):
        whole = translate(model, end, grid, solver, generator=seeds(range(5))).x
        alone = translate(model, end[3:4], grid, solver, generator=seeds([3])).x
        assert torch.allclose(whole[3:4], alone, rtol=1e-12)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="DBIM has the orders 1, 2, 3"):
        DBIM(order=4)
    with pytest.raises(ValueError, match=r"eta must lie in \[0, 1\]"):
        DBIM(order=1, eta=1.5)
    with pytest.raises(ValueError, match="is deterministic"):
        DBIM(order=2, eta=0.5)
    with pytest.raises(ValueError, match="final_order"):
        DBIM(final_order=0)
