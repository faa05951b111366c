"""The same method under different names, formulas written out a second time, and the schedulers of diffusers."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import SCHEDULES, T1, Mixture, levels, linear_table, name

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, DiscreteVP, Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)


def ratio_time(schedule, rho: float) -> float:
    """The time with sigma / alpha = rho, by bisection on the textbook levels."""
    low, high = 0.0, 1.0 if schedule.t_max == 1 else 1e3
    for _ in range(60):
        middle = 0.5 * (low + high)
        alpha, sigma = levels(schedule, middle)
        low, high = (middle, high) if sigma < rho * alpha else (low, middle)
    return middle


def in_rho(schedule, grid, x, step):
    """Run a one-step method for dy/drho = noise(alpha y) in y = x / alpha."""
    exact = Mixture(schedule)

    def slope(y, rho):
        t = ratio_time(schedule, rho)
        return exact.answer("noise", levels(schedule, t)[0] * y, t)

    ends = [levels(schedule, t) for t in grid.tolist()]
    y = x / ends[0][0]
    for (a, b), (c, d) in itertools.pairwise(ends):
        y = step(slope, y, b / a, d / c - b / a)
    return ends[-1][0] * y


def heun(f, y, rho, h):
    k = f(y, rho)
    return y + h / 2 * (k + f(y + h * k, rho + h))


def midpoint(f, y, rho, h):
    return y + h * f(y + h / 2 * f(y, rho), rho + h / 2)


def classical(f, y, rho, h):
    k1 = f(y, rho)
    k2 = f(y + h / 2 * k1, rho + h / 2)
    k3 = f(y + h / 2 * k2, rho + h / 2)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(y + h * k3, rho + h))


@every
@pytest.mark.parametrize(
    ("solver", "step"), [(solvers.Heun(), heun), (solvers.Midpoint(), midpoint), (solvers.RK4(), classical)], ids=name
)
def test_runge_kutta_written_out_in_rho(schedule, solver, step) -> None:
    grid = wb.grids.log_snr(schedule, 4)
    got = wb.solve(Mixture(schedule), X, grid, solver).x
    torch.testing.assert_close(got, in_rho(schedule, grid, X, step), rtol=1e-8, atol=1e-8)


@every
@pytest.mark.parametrize(
    ("solver", "step"),
    [
        (solvers.Euler(variable="t"), lambda f, x, t, h: x + h * f(x, t)),
        (solvers.Midpoint(variable="t"), midpoint),
        (solvers.RK4(variable="t"), classical),
        (solvers.Heun(variable="t"), heun),
    ],
    ids=["Euler", "Midpoint", "RK4", "Heun"],
)
def test_runge_kutta_written_out_in_t(schedule, solver, step) -> None:
    exact, grid = Mixture(schedule), wb.grids.uniform(schedule, 5, 0.9, 0.2)
    x = X
    for t, s in zip(grid.tolist(), grid[1:].tolist(), strict=False):
        x = step(lambda y, time: exact.answer("velocity", y, time), x, t, s - t)
    torch.testing.assert_close(wb.solve(exact, X, grid, solver).x, x, rtol=1e-11, atol=1e-12)


@every
def test_ddim_is_euler_in_rho_and_heun_is_a_tableau(schedule) -> None:
    grid = wb.grids.karras(schedule, 6)
    model = Mixture(schedule)
    one, two = (wb.solve(model, X, grid, solver).x for solver in (solvers.DDIM(), solvers.Euler()))
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)

    class ByHand(solvers.RungeKutta):
        tableau = solvers.Tableau((0.0, 1.0), ((), (1.0,)), (0.5, 0.5))

    assert torch.equal(wb.solve(model, X, grid, solvers.Heun()).x, wb.solve(model, X, grid, ByHand()).x)


def test_on_straight_lines_ddim_is_euler_in_t() -> None:
    """x_s = (1 - s) data + s noise = x + (s - t) velocity."""
    for grid in (wb.grids.uniform(Rectified(), 7, 1.0, 0.0), wb.grids.karras(Rectified(), 7)):
        model = Mixture(Rectified())
        one, two = (wb.solve(model, X, grid, solver).x for solver in (solvers.DDIM(), solvers.Euler(variable="t")))
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


@every
@pytest.mark.parametrize("solver", [solvers.DDIM(), solvers.Heun(), solvers.Midpoint(), solvers.RK4()], ids=name)
def test_in_rho_the_schedule_does_not_matter(schedule, solver) -> None:
    """The run on VE at the same noise levels, rescaled."""
    clock = torch.linspace(-4.5, 4.0, 9, dtype=torch.float64)
    grid = schedule.inverse_log_snr(clock)
    (a, _), (c, _) = levels(schedule, grid[0].item()), levels(schedule, grid[-1].item())
    here = wb.solve(Mixture(schedule), a * X, grid, solver).x
    there = wb.solve(Mixture(VE()), X, torch.exp(-clock), solver).x
    torch.testing.assert_close(here / c, there, rtol=1e-9, atol=1e-9)


# diffusers, on its own grids.  Its tables are float32, so the coefficients agree to about 1e-6.

TABLE = linear_table().tolist()


def draws(seed: int):
    stream = torch.Generator().manual_seed(seed)
    return (torch.randn(X.shape, generator=stream).double() for _ in range(20))


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim_of_diffusers(eta) -> None:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(timestep_spacing="trailing", clip_sample=False)
    scheduler.set_timesteps(10)
    model, x, noise = Mixture(DiscreteVP(TABLE), T1, "noise"), X, draws(2)
    for n in scheduler.timesteps.tolist():
        fresh = next(noise) if n > 99 else torch.zeros_like(X)
        x = scheduler.step(model.answer("noise", x, (n + 1) / 1000), n, x, eta=eta, variance_noise=fresh).prev_sample
    grid = wb.grids.uniform(model.schedule, 10, 1.0, 0.0)
    run = wb.solve(model, X, grid, solvers.DDIM(eta=eta), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(run.x, x, rtol=0, atol=3e-5)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm_of_diffusers(variance) -> None:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(timestep_spacing="trailing", clip_sample=False, variance_type=f"fixed_{variance}")
    scheduler.set_timesteps(10)
    model, x, stream = Mixture(DiscreteVP(TABLE), T1, "noise"), X.float(), torch.Generator().manual_seed(2)
    for n in scheduler.timesteps.tolist()[:-1]:  # its last step to level -1 would still add the whole forward variance
        out = model.answer("noise", x.double(), (n + 1) / 1000).float()
        x = scheduler.step(out, n, x, generator=stream).prev_sample
    grid = wb.grids.uniform(model.schedule, 9, 1.0, 0.1)
    run = wb.solve(model, X, grid, solvers.DDPM(variance=variance), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(run.x, x.double(), rtol=0, atol=2e-4)


@pytest.mark.parametrize("kind", ["Euler", "Heun"])
def test_euler_and_heun_of_diffusers(kind) -> None:
    """Both live in x / alpha over sigma / alpha: our VE, at their noise levels."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = getattr(diffusers, f"{kind}DiscreteScheduler")(timestep_spacing="trailing")
    scheduler.set_timesteps(8)
    model, x = Mixture(VE(), T1, "noise"), 100 * X
    for i, n in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[i].double().item()
        x = scheduler.step(model.answer("noise", x, sigma), n, x).prev_sample.double()
    grid = sorted({*scheduler.sigmas.double().tolist()}, reverse=True)
    assert len(grid) == 9 and grid[-1] == 0
    run = wb.solve(model, 100 * X, grid, {"Euler": solvers.Euler(), "Heun": solvers.Heun()}[kind])
    torch.testing.assert_close(run.x, x, rtol=0, atol=3e-5)
    assert run.evaluations == len(scheduler.timesteps) == {"Euler": 8, "Heun": 15}[kind]


def test_flow_matching_euler_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0.1, 10).tolist())
    model, x = Mixture(Rectified(), T1, "velocity"), X.float()
    for i, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[i].double().item()
        x = scheduler.step(model.answer("velocity", x.double(), sigma).float(), t, x).prev_sample
    grid = wb.grids.flow_shift(Rectified(), 10, 1.0, 0.0, shift=3.0)
    np.testing.assert_allclose(scheduler.sigmas.numpy(), grid, atol=1e-6)
    for solver in (solvers.Euler(variable="t"), solvers.DDIM()):
        run = wb.solve(model, X, grid, solver)
        torch.testing.assert_close(run.x, x.double(), rtol=0, atol=2e-6)
    assert math.isclose(grid[5].item(), 0.75, rel_tol=1e-12)
