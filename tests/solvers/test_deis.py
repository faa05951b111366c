"""DEIS: its weights in 30 digits and in the closed forms of public codes, its equivalences, and diffusers' scheduler."""

import itertools
import math

import mpmath
import pytest
import torch
from helpers import POINT, PRESERVING, SCHEDULES, SHIFTED, Mixture, levels, mp_levels, name
from hypothesis import given, settings
from hypothesis import strategies as st
from schedulers import drive, scheduler

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, DiscreteVP
from workbench.solvers.adams import time_moments

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
VARIABLES = {"t": lambda t, rho: t, "rho": lambda t, rho: rho, "log_rho": lambda t, rho: mpmath.log(rho)}
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
variables = pytest.mark.parametrize("variable", VARIABLES)


def ratio(schedule, t):
    alpha, sigma = mp_levels(schedule, t)
    return sigma / alpha


def in_thirty_digits(schedule, variable: str, past, s: float) -> list[float]:
    """alpha_s times the integral of L_j drho, by parts: L_j rho at the ends, minus the integral of rho dL_j over t."""
    with mpmath.workdps(30):
        clock = lambda t: VARIABLES[variable](t, ratio(schedule, t))  # noqa: E731
        nodes, alpha = [clock(mpmath.mpf(t)) for t in past], mp_levels(schedule, s)[0]
        cuts = sorted([past[0], *schedule.kinks(min(s, past[0]), max(s, past[0])), s], reverse=s < past[0])
        # u(rho) as a function of log rho on each smooth piece: t is found again by mpmath's own root finding
        out = []
        for j, own in enumerate(nodes):
            others = nodes[:j] + nodes[j + 1 :]
            basis = lambda u: mpmath.fprod((u - other) / (own - other) for other in others)  # noqa: B023, E731
            slope = lambda t: mpmath.diff(lambda v: ratio(schedule, v), t)  # noqa: E731
            value = mpmath.quad(lambda t: basis(clock(t)) * slope(t), [mpmath.mpf(c) for c in cuts])  # noqa: B023
            out.append(float(alpha * value))
        return out


@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if not isinstance(s, DiscreteVP)], ids=name)
@variables
def test_weights_in_thirty_digits(schedule, variable) -> None:
    past, s = [0.32, 0.45, 0.5, 0.7], 0.2
    row = solvers.DEIS(4, variable).weights(schedule, past, s)
    assert row.past == pytest.approx(in_thirty_digits(schedule, variable, past, s), rel=1e-11)
    (a, _), (c, _) = levels(schedule, past[0]), levels(schedule, s)
    assert row.x == pytest.approx(c / a, rel=1e-13) and row.t == past[0] and row.noise == 0


@every
@given(st.floats(0.002, 0.99), st.floats(0.002, 0.99))
@settings(max_examples=25, deadline=None)
def test_quadrature_in_time_has_converged(schedule, t: float, s: float) -> None:
    """More than twice the nodes change no moment by 1e-12 of the step, for steps of any length in either direction."""
    if abs(t - s) < 1e-3:
        return
    few, many = time_moments(schedule, t, s, 4), time_moments(schedule, t, s, 4, nodes=37)
    assert few == pytest.approx(many, rel=0, abs=1e-12 * abs(many[0]))


def test_moments_across_kinks() -> None:
    """On DDPM's table, level by level, against a midpoint rule of 200 points on each of the pieces between two levels."""
    schedule, t, s = DiscreteVP.linear(), 0.2504, 0.1987
    assert schedule.kinks(s, t) == [n / 1000 for n in range(199, 251)] and schedule.kinks(0.0, 0.0015) == [0.001]
    assert schedule.kinks(0.25, 0.252) == [0.251] and VP().kinks(s, t) == []
    edges, sums = torch.tensor([t, *schedule.kinks(s, t)[::-1], s], dtype=torch.float64), [0.0, 0.0, 0.0]
    for a, b in itertools.pairwise(edges.tolist()):
        places = torch.linspace(a, b, 201, dtype=torch.float64)
        rho = schedule.sigma(places) / schedule.alpha(places)
        middle = (0.5 * (places[1:] + places[:-1]) - t) / (s - t)
        for k in range(3):
            sums[k] += schedule.alpha(s) * (rho.diff() * middle**k).sum().item()
    assert time_moments(schedule, t, s, 3) == pytest.approx(sums, rel=1e-6)
    straight = time_moments(VP(), t, s, 3)
    assert abs(straight[2] - sums[2]) > 1e-5 * abs(sums[2])  # the continuous schedule of the same name is another one


@every
def test_closed_forms_in_log_rho(schedule) -> None:
    """The antiderivatives that public codes evaluate, for two and three answers."""
    past, s = [0.32, 0.45, 0.7], 0.2
    lb, lc, ld = (math.log(float(ratio(schedule, t))) for t in past)
    alpha, ends = levels(schedule, s)[0], [float(ratio(schedule, t)) for t in (s, past[0])]

    def between(antiderivative) -> float:
        return alpha * (antiderivative(ends[0]) - antiderivative(ends[1]))

    def two(b, c):
        return between(lambda r: r * (math.log(r) - c - 1) / (b - c))

    def three(b, c, d):
        def antiderivative(r):
            lr = math.log(r)
            return r * (c * (d - lr + 1) - d * lr + d + lr**2 - 2 * lr + 2) / ((b - c) * (b - d))

        return between(antiderivative)

    got = solvers.DEIS(2, "log_rho").weights(schedule, past[:2], s).past
    assert got == pytest.approx((two(lb, lc), two(lc, lb)), rel=1e-10)
    got = solvers.DEIS(3, "log_rho").weights(schedule, past, s).past
    assert got == pytest.approx((three(lb, lc, ld), three(lc, lb, ld), three(ld, lb, lc)), rel=1e-9)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@pytest.mark.parametrize("order", [2, 3])
def test_as_diffusers_has_it(schedule, order) -> None:
    """Its "logrho", the only variable it offers."""
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 9, stop=2 * schedule.t_last)
    theirs = scheduler("DEISMultistep", solver_order=order, lower_order_final=False)
    got = wb.solve(model, X, grid, solvers.DEIS(order, "log_rho")).x
    torch.testing.assert_close(got, drive(theirs, model, X, grid), rtol=0, atol=4e-6)


def test_equivalences() -> None:
    """Order 1 is DDIM in every variable; where t is rho, so is the polynomial; even steps in rho give the classical weights."""
    for schedule, variable in itertools.product(SCHEDULES, VARIABLES):
        model, grid = Mixture(schedule, SHIFTED), wb.grids.karras(schedule, 6)
        got = wb.solve(model, X, grid, solvers.DEIS(1, variable)).x
        torch.testing.assert_close(got, wb.solve(model, X, grid, solvers.DDIM()).x, rtol=1e-11, atol=1e-11)
    grid = wb.grids.karras(VE(), 8)
    for ours, theirs in zip(solvers.DEIS(4).plan(VE(), grid), solvers.DEIS(4, "rho").plan(VE(), grid), strict=True):
        assert ours.past == pytest.approx(theirs.past, rel=1e-9)
    even = solvers.DEIS(4, "rho").plan(VE(), torch.linspace(5, 1, 9, dtype=torch.float64))[-1]
    assert even.past == pytest.approx([-0.5 * w / 24 for w in (55, -59, 37, -9)], rel=1e-12)


@every
@variables
def test_a_point_mass_is_exact_on_any_grid(schedule, variable) -> None:
    a, b, c, d = *levels(schedule, 0.6), *levels(schedule, 0.1)
    eps = torch.tensor([[-1.3, 0.2]], dtype=torch.float64)
    for grid in ([0.6, 0.45, 0.3, 0.26, 0.2, 0.1], [0.6, 0.1]):
        got = wb.solve(Mixture(schedule, POINT), a * 0.7 + b * eps, grid, solvers.DEIS(4, variable)).x
        torch.testing.assert_close(got, c * 0.7 + d * eps, rtol=0, atol=1e-12)


def test_start_descent_and_messages() -> None:
    schedule = VP()
    rows = solvers.DEIS(4, final_order=2).plan(schedule, wb.grids.quadratic(schedule, 7))
    assert [len(row.past) for row in rows] == [1, 2, 3, 4, 4, 3, 2]
    for settings_, message in (
        ({"order": 5}, "orders 1, 2, 3, 4"),
        ({"variable": "lambda"}, "variable"),
        ({"final_order": 0}, "at least 1"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            solvers.DEIS(**settings_)
