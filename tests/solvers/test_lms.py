"""LMS: its weights by quadrature and in closed form, and diffusers' scheduler."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import SCHEDULES, SHIFTED, Mixture, levels, name
from schedulers import drive, scheduler
from scipy.integrate import quad

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
orders = pytest.mark.parametrize("order", [1, 2, 3, 4])


def lagrange(nodes, j, u):
    return math.prod((u - other) / (nodes[j] - other) for k, other in enumerate(nodes) if k != j)


@every
@orders
def test_weights_by_quadrature(schedule, order) -> None:
    """In y = x / alpha: dy/drho = noise, integrated from rho_t to rho_s along the polynomial."""
    grid = wb.grids.karras(schedule, 6, stop=2 * schedule.t_last)
    rows, ends = solvers.LMS(order).plan(schedule, grid), [levels(schedule, t) for t in grid.tolist()]
    rho = [b / a for a, b in ends]
    for i, row in enumerate(rows):
        nodes, scale = rho[i::-1][:order], ends[i + 1][0]
        wanted = [quad(lambda u: scale * lagrange(nodes, j, u), rho[i], rho[i + 1], epsrel=1e-12)[0] for j in range(len(nodes))]  # noqa: B023
        assert row.past == pytest.approx(wanted, rel=1e-8) and row.x == pytest.approx(scale / ends[i][0], rel=1e-10)
        assert row.t == grid[i].item()


def test_order_two_in_closed_form() -> None:
    """h (1 + r / 2) and -h r / 2, r the ratio of the step to the one before: large where steps grow, gentle where they shrink."""
    grid = torch.tensor([10.0, 6.0, 1.0, 0.5], dtype=torch.float64)
    rows = solvers.LMS(2).plan(VE(), grid)
    assert rows[1].past == pytest.approx((-5 * (1 + 1.25 / 2), 5 * 1.25 / 2))
    assert rows[2].past == pytest.approx((-0.5 * (1 + 0.1 / 2), 0.5 * 0.1 / 2))


@every
def test_order_one_is_ddim(schedule) -> None:
    grid, model = wb.grids.log_snr(schedule, 7, stop=0.0), Mixture(schedule)
    one, two = (wb.solve(model, X, grid, solver).x for solver in (solvers.LMS(1), solvers.DDIM()))
    torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-11)


def test_the_schedule_does_not_matter() -> None:
    """The run on VE at the same noise levels, rescaled."""
    clock = torch.linspace(-4.0, 3.5, 9, dtype=torch.float64)
    there = wb.solve(Mixture(VE()), X, torch.exp(-clock), solvers.LMS()).x
    for schedule in SCHEDULES:
        grid = schedule.inverse_log_snr(clock)
        (a, _), (c, _) = levels(schedule, grid[0].item()), levels(schedule, grid[-1].item())
        here = wb.solve(Mixture(schedule), a * X, grid, solvers.LMS()).x
        torch.testing.assert_close(here / c, there, rtol=1e-8, atol=1e-8)


@orders
def test_a_slope_that_is_a_polynomial_in_rho_is_integrated_exactly(order) -> None:
    """noise = rho^(order - 1), given a past: no error at all; one power more: an error."""

    class Power(Mixture):
        power: int

        def noise(self, x, t):
            return torch.full_like(x, t**self.power)

    grid = torch.tensor([9.0, 7.0, 4.5, 3.5, 2.0, 0.5], dtype=torch.float64)
    solver = solvers.LMS(order)
    rows = solver.plan(VE(), grid)
    for power in (order - 1, order):
        model = Power(VE())
        model.power = power
        memory = tuple(model.noise(X, t) for t in grid[: order - 1].flip(0).tolist())
        x = torch.zeros_like(X)
        for row in rows[order - 1 :]:
            x, memory = solver.step(model, x, row, memory, None)
        wanted = (0.5 ** (power + 1) - grid[order - 1].item() ** (power + 1)) / (power + 1)
        error = abs(x[0, 0].item() / wanted - 1)
        assert error < 1e-12 if power < order else error > 1e-3


def test_descent_and_messages() -> None:
    rows = solvers.LMS(4, final_order=1).plan(VP(), wb.grids.log_snr(VP(), 7))
    assert [len(row.past) for row in rows] == [1, 2, 3, 4, 3, 2, 1]
    with pytest.raises(ValueError, match="orders 1, 2, 3, 4; got 0"):
        solvers.LMS(0)


@orders
def test_as_diffusers_has_it(order) -> None:
    model, grid = Mixture(VE(), SHIFTED), wb.grids.karras(VE(), 9, 20.0, 0.05)
    got = wb.solve(model, 20 * X, grid, solvers.LMS(order)).x
    other = drive(scheduler("LMSDiscrete"), model, 20 * X, grid, order=order)
    torch.testing.assert_close(got, other, rtol=0, atol=1e-9)


def test_the_quadrature_of_diffusers_is_accurate_and_slow() -> None:
    """scipy.quad is a 21-point rule at least: exact on polynomials of degree 3, whatever tolerance it is given.  It is the time that
    is lost, 4 integrals of Python callbacks a step; and the float32 levels, which limit what comes out."""
    grid = wb.grids.karras(VE(), 9, 20.0, 0.05)
    other = scheduler("LMSDiscrete")
    other.set_timesteps(9)
    exact = solvers.LMS().plan(VE(), grid)[5].past
    for levels_, digits in ((grid.numpy(), 1e-12), (grid.float().numpy(), 1e-5)):
        other.sigmas = levels_
        found = [other.get_lms_coefficient(4, 5, j) for j in range(4)]
        assert found == pytest.approx(exact, rel=digits)
    assert np.abs(np.array(found) / np.array(exact) - 1).max() > 1e-9  # the float32 levels


def test_counts() -> None:
    for n, stop in itertools.product((1, 2, 6), (None, 0.0)):
        run = wb.solve(Mixture(VP()), X, wb.grids.log_snr(VP(), n, stop=stop), solvers.LMS())
        assert run.evaluations == n == solvers.LMS().evaluations(n, to_zero=stop == 0)
