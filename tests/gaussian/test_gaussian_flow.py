"""The exact probability flow against integrators, its group property, and what solvers measured on it must show."""

import numpy as np
import pytest
import scipy.linalg
import torch
from gaussian_helpers import SCHEDULES, close, interior_times, states
from scipy.integrate import solve_ivp

import workbench as wb
from workbench.gaussian import GaussianDenoiser, LowRank, teleport


def rho(schedule, t):
    return schedule.sigma(t) / schedule.alpha(t)


def test_flow_against_an_independent_integration(law, mean, sigma_matrix, schedule, rng):
    """dy/drho = (y - D(y, rho)) / rho for y = x / alpha, rho = sigma / alpha, with the Wiener filter written out in NumPy."""
    first, middle, last = interior_times(schedule)
    matrix, center = sigma_matrix.numpy(), mean.numpy()
    for t, s in ((first, last), (last, middle)):
        x = states(law, t, 2, rng)

        def slope(r, flat):
            y = flat.reshape(2, 3) - center
            return ((y - np.linalg.solve(matrix + r * r * np.eye(3), y.T).T @ matrix) / r).ravel()

        run = solve_ivp(
            slope, (rho(schedule, t), rho(schedule, s)), (x / schedule.alpha(t)).numpy().ravel(), "DOP853", rtol=1e-12, atol=1e-13
        )
        close(law.flow(x, t, s), run.y[:, -1].reshape(2, 3) * schedule.alpha(s), 1e-8)


def test_velocity_is_the_slope_of_the_flow(law, schedule, rng):
    for t in interior_times(schedule):
        x, h = states(law, t, 4, rng), 1e-6 * t
        slope = (law.flow(x, t, t + h) - law.flow(x, t, t - h)) / (2 * h)
        close(law.velocity(x, t), slope, 1e-5)


def test_flow_is_a_group(law, schedule, rng):
    first, middle, last = interior_times(schedule)
    for times in ((first, middle, last), (last, first, middle), (0.0, middle, first), (first, last, 0.0)):
        x = states(law, times[0], 4, rng)
        close(law.flow(law.flow(x, times[0], times[1]), times[1], times[2]), law.flow(x, times[0], times[2]), 1e-12)
        close(law.flow(law.flow(x, times[0], times[2]), times[2], times[0]), x, 1e-12)
        close(law.flow(x, times[0], times[0]), x, 1e-15)


def test_flow_pushes_one_law_to_the_other(law, schedule, mean, sigma_matrix):
    """M Sigma_t M^T = Sigma_s for the linear part M of the map, and the mean follows alpha."""
    eye = torch.eye(3, dtype=torch.float64)

    def spread(t):
        return schedule.alpha(t) ** 2 * sigma_matrix + schedule.sigma(t) ** 2 * eye

    for t, s in ((schedule.t_first, schedule.t_last), (0.0, schedule.t_first), (schedule.t_first, 0.0)):
        origin = law.flow(torch.zeros(1, 3, dtype=torch.float64), t, s)
        linear = (law.flow(eye, t, s) - origin).T
        close(linear @ spread(t) @ linear.T, spread(s), 1e-10)
        close(law.flow(schedule.alpha(t) * mean[None], t, s), schedule.alpha(s) * mean[None], 1e-12)


def test_density_is_carried_along(law, schedule, rng):
    """log q_s(x_s) = log q_t(x_t) - log |det dx_s / dx_t|."""
    t, _, s = interior_times(schedule)
    x = states(law, t, 1, rng)
    jacobian = torch.autograd.functional.jacobian(lambda y: law.flow(y[None], t, s)[0], x[0])
    close(law.log_prob(law.flow(x, t, s), s), law.log_prob(x, t) - torch.linalg.slogdet(jacobian).logabsdet, 1e-10)


@pytest.mark.parametrize("schedule", [SCHEDULES["Rectified"], SCHEDULES["Cosine"]], ids=["Rectified", "Cosine"])
def test_from_pure_noise_to_data_is_the_optimal_map(law, mean, sigma_matrix, schedule, rng):
    z = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    root = torch.from_numpy(scipy.linalg.sqrtm(sigma_matrix.numpy()).real)
    close(law.flow(schedule.sigma(1.0) * z, 1.0, 0.0), mean + z @ root)
    close(law.flow(mean + z @ root, 0.0, 1.0), schedule.sigma(1.0) * z)


def test_trajectory(law, schedule, rng):
    grid = wb.grids.log_snr(schedule, 5, stop=0.0)
    x = states(law, float(grid[0]), 3, rng)
    path = law.flow(x, grid[0], grid)
    assert path.shape == (6, 3, 3)
    for i, s in enumerate(grid.tolist()):
        assert torch.equal(path[i], law.flow(x, float(grid[0]), s))
    assert torch.equal(law.flow(x, grid[0], grid.tolist()), path)
    assert law.flow(x.float(), grid[0], grid).dtype == torch.float32


def test_nothing_expands_from_a_point(schedule):
    law = GaussianDenoiser(torch.zeros(2), torch.tensor([1.0, 0.0]), schedule)
    x = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="no variance in 1 of 2 dimensions"):
        law.flow(x, 0.0, schedule.t_first)
    assert torch.equal(law.flow(x, 0.0, 0.0), x)
    collapsed = law.flow(torch.ones(1, 2, dtype=torch.float64), schedule.t_first, 0.0)
    assert collapsed[0, 1] == 0
    with pytest.raises(ValueError, match="outside"):
        law.flow(x, -0.1, 0.0)
    with pytest.raises(ValueError, match="empty grid"):
        law.flow(x, 0.5, [])


def errors(law, schedule, solver, counts):
    """Root mean square error at t_last against the exact flow."""
    rng = torch.Generator().manual_seed(1)
    x = law.sample(64, schedule.t_first, generator=rng, dtype=torch.float64)
    truth = law.flow(x, schedule.t_first, schedule.t_last)
    return [(wb.solve(law, x, wb.grids.log_snr(schedule, n), solver).x - truth).square().mean().sqrt().item() for n in counts]


@pytest.mark.parametrize(("solver", "order"), [(wb.solvers.Euler(), 1), (wb.solvers.Heun(), 2)], ids=["Euler", "Heun"])
def test_measured_order(law, schedule, solver, order):
    coarse, fine = errors(law, schedule, solver, (80, 160))
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.15)


def test_euler_factor_of_one_mode(rng):
    """On VE, Euler multiplies an eigen-coordinate by the product of 1 + (sigma' - sigma) sigma / (lambda + sigma^2)."""
    schedule, variance = wb.schedules.VE(), 1.7
    law = GaussianDenoiser(torch.zeros(1), variance, schedule)
    grid = wb.grids.karras(schedule, 20)
    factor = 1.0
    for now, after in zip(grid.tolist(), grid.tolist()[1:], strict=False):
        factor *= 1 + (after - now) * now / (variance + now * now)
    x = torch.randn(3, 1, generator=rng, dtype=torch.float64)
    close(wb.solve(law, x, grid, wb.solvers.Euler()).x, factor * x, 1e-12)
    exact = ((variance + 0.002**2) / (variance + 80.0**2)) ** 0.5
    close(law.flow(x, 80.0, 0.002), exact * x, 1e-13)


@pytest.mark.parametrize("k", [1, 3, 7, 11])
def test_teleport_then_the_rest_of_the_same_karras_grid(law, schedule, rng, k):
    n = 12
    grid = wb.grids.karras(schedule, n)
    rest = wb.grids.karras(schedule, n - k, start=float(grid[k]))
    close(rest, grid[k:], 1e-11)
    x = states(law, float(grid[0]), 16, rng)
    landed = teleport(law, x, grid[0], grid[k])
    truth = law.flow(x, grid[0], grid[-1])
    close(law.flow(landed, grid[k], grid[-1]), truth, 1e-12)  # for a Gaussian model the jump is exact
    full = (wb.solve(law, x, grid, wb.solvers.Heun()).x - truth).norm()
    skipped = (wb.solve(law, landed, grid[k:], wb.solvers.Heun()).x - truth).norm()
    assert skipped < full
    assert torch.equal(landed, law.flow(x, float(grid[0]), float(grid[k])))


def test_low_rank_images(schedule, rng):
    basis = torch.linalg.qr(torch.randn(192, 5, generator=rng, dtype=torch.float64)).Q
    law = GaussianDenoiser(torch.zeros(3, 8, 8), LowRank(basis, torch.arange(5.0, 0.0, -1), 0.01), schedule)
    x = states(law, schedule.t_first, 2, rng)
    there = law.flow(x, schedule.t_first, schedule.t_last)
    assert there.shape == (2, 3, 8, 8)
    close(law.flow(there, schedule.t_last, schedule.t_first), x, 1e-10)
