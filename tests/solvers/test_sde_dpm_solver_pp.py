"""SDE-DPM-Solver++: k-diffusion's formulas, diffusers' scheduler, equivalences at order 1 and eta 0, weak order by recursion."""

import itertools
import math

import numpy as np
import pytest
import torch
from gaussian_recursion import propagate
from helpers import POINT, PRESERVING, SCHEDULES, SHIFTED, Exact, Mixture, label, lam, levels, name
from schedulers import drive, scheduler
from scipy.integrate import quad

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
SDE = solvers.SDEDPMSolverPP
KINDS = [solver for solver in solvers.ALL if isinstance(solver, SDE)]


def draws(seed: int):
    """What ``solve`` draws with this seed, step after step."""
    stream = torch.Generator().manual_seed(seed)
    return (torch.randn(X.shape, generator=stream).double() for _ in range(50))


def k_diffusion(model, x, sigmas, noise, eta: float, order: int, kind: str, half: bool):
    """The 2M and 3M SDE samplers of k-diffusion on VE, by their phi functions, with the second derivative as given."""
    old = []
    for now, after in itertools.pairwise(sigmas):
        m, h = model.answer("data", x, now), math.log(now / after)
        h_eta = (eta + 1) * h
        x = math.exp(-h_eta) * x - math.expm1(-h_eta) * m
        past = [(value, length / h) for value, length in old]
        phi_2 = math.expm1(-h_eta) / h_eta + 1
        if len(past) == 1 or order == 2:
            for value, r in past[:1]:
                slope = (m - value) / r
                x = x + (phi_2 * slope if kind == "taylor" else -0.5 * math.expm1(-h_eta) * slope)
        elif len(past) == 2:
            (m1, r0), (m2, r1) = past
            d0, d1 = (m - m1) / r0, (m1 - m2) / r1
            slope, bend = d0 + (d0 - d1) * r0 / (r0 + r1), (d0 - d1) / (r0 + r1)
            x = x + phi_2 * slope - (phi_2 / h_eta - 0.5) * (bend if half else 2 * bend)
        if eta:
            x = x + after * math.sqrt(-math.expm1(-2 * eta * h)) * next(noise)
        old = [(m, h), *old][: order - 1]
    return x


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 1.6])
@pytest.mark.parametrize("kind", ["midpoint", "taylor"])
@pytest.mark.parametrize(("order", "half"), [(1, False), (2, False), (3, False), (3, True)])
def test_as_k_diffusion_has_it(eta, kind, order, half) -> None:
    grid, model = wb.grids.karras(VE(), 7, 8.0, 0.05), Mixture(VE(), SHIFTED)
    wanted = k_diffusion(model, 5 * X, grid.tolist(), draws(8), eta, order, kind, half)
    solver = SDE(order=order, eta=eta, correction=kind, published=half)
    run = wb.solve(model, 5 * X, grid, solver, generator=torch.Generator().manual_seed(8))
    torch.testing.assert_close(run.x, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@pytest.mark.parametrize(("face", "algorithm"), [("data", "sde-dpmsolver++"), ("noise", "sde-dpmsolver")])
@pytest.mark.parametrize(("correction", "kind"), [("midpoint", "midpoint"), ("taylor", "heun")])
def test_as_diffusers_has_it(schedule, face, algorithm, correction, kind) -> None:
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 9, stop=2 * schedule.t_last)
    for order in (1, 2):
        settings = {"algorithm_type": algorithm, "solver_type": kind, "solver_order": order}
        theirs = scheduler("DPMSolverMultistep", final_sigmas_type="sigma_min", lower_order_final=False, **settings)
        wanted = drive(theirs, model, X, grid, generator=torch.Generator().manual_seed(2))
        solver = SDE(order=order, correction=correction, face=face)
        got = wb.solve(model, X, grid, solver, generator=torch.Generator().manual_seed(2)).x
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-5)


class HalfSubtracted(SDE):
    """Third order as diffusers has it: D2 = (D10 - D11) / (r0 + r1), which k-diffusion weighs with alpha ((1 - e^(-2h) - 2h) / (2h)^2 + 1/2),
    is weighed there with - 1/2."""

    def weights(self, schedule, past, s):
        row = super().weights(schedule, past, s)
        if len(past) < 3:
            return row
        clock = [schedule.log_snr(u) for u in (s, *past)]
        h, first, second = clock[0] - clock[1], clock[1] - clock[2], clock[2] - clock[3]
        bend = h * h / (first + second)  # of ((m - m1) / first - (m1 - m2) / second)
        d2 = (bend / first, -bend / first - bend / second, bend / second)
        return row._replace(past=tuple(w - schedule.alpha(s) * d for w, d in zip(row.past, d2, strict=True)))


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
def test_third_order_of_diffusers_has_a_half_of_the_wrong_sign(schedule) -> None:
    """Its third-order SDE step is ours (published) but for one sign; with it the weak order falls to 1."""
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 9, stop=2 * schedule.t_last)
    settings = {"algorithm_type": "sde-dpmsolver++", "solver_order": 3, "final_sigmas_type": "sigma_min"}
    theirs = drive(
        scheduler("DPMSolverMultistep", lower_order_final=False, **settings),
        model,
        X,
        grid,
        generator=torch.Generator().manual_seed(2),
    )
    ends = {}
    for kind in (SDE, HalfSubtracted):
        solver = kind(order=3, published=True)
        ends[kind] = wb.solve(model, X, grid, solver, generator=torch.Generator().manual_seed(2)).x
    torch.testing.assert_close(ends[HalfSubtracted], theirs, rtol=1e-6, atol=1e-5)
    assert (ends[SDE] - theirs).abs().max() > 0.1
    errors = variance_errors(HalfSubtracted(order=3, published=True), VP(), 1.0, 0.01, (80, 160))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.15) and errors[1] > 0.01


@every
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("eta", [0.4, 1.0])
def test_polynomials_are_integrated_exactly(schedule, face, eta) -> None:
    """The weights of "taylor" and of order 3, by quadrature of the kernel of the reverse SDE times each Lagrange polynomial."""
    grid = wb.grids.karras(schedule, 4)
    clock = [lam(schedule, t) for t in grid.tolist()]
    for order in (1, 2, 3):
        row = SDE(order=order, eta=eta, correction="taylor", face=face).plan(schedule, grid)[2]
        now, end = clock[2], clock[3]
        (a, b), (c, d) = levels(schedule, grid[2].item()), levels(schedule, grid[3].item())
        nodes = clock[2 - order + 1 : 3][::-1]

        def kernel(u):
            if face == "data":
                return (1 + eta) * c * math.exp(-(1 + eta) * (end - u))  # noqa: B023
            return -(1 + eta) * d * math.exp(end - u)  # noqa: B023

        for j, weight in enumerate(row.past):

            def piece(u, j=j):
                return kernel(u) * math.prod((u - v) / (nodes[j] - v) for k, v in enumerate(nodes) if k != j)  # noqa: B023

            assert weight == pytest.approx(quad(piece, now, end, epsrel=1e-12)[0], rel=1e-8)
        h = end - now
        assert row.x == pytest.approx(d / b * math.exp(-eta * h) if face == "data" else c / a, rel=1e-10)
        fresh = -math.expm1(-2 * eta * h) if face == "data" else eta * math.expm1(2 * h)
        assert row.noise == pytest.approx(d * math.sqrt(fresh), rel=1e-10)


@every
def test_order_one_is_ddim_and_ddpm(schedule) -> None:
    grid = wb.grids.karras(schedule, 6)
    for row, wanted in zip(SDE(order=1).plan(schedule, grid), solvers.DDPM().plan(schedule, grid), strict=True):
        assert (row.t, row.x, *row.past, row.noise) == pytest.approx(tuple(wanted), rel=1e-9)
    even = wb.grids.log_snr(schedule, 6)  # equal steps in lambda: one eta of DDIM for the whole run
    times, strength = even.tolist(), solvers.noise_strength
    eta = strength.SDE_ETA.convert(0.3, strength.DDIM_ETA, schedule, times[0], times[1])
    for row, wanted in zip(SDE(order=1, eta=0.3).plan(schedule, even), solvers.DDIM(eta=eta).plan(schedule, even), strict=True):
        assert (row.t, row.x, *row.past, row.noise) == pytest.approx(tuple(wanted), rel=1e-9)


@every
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("correction", ["midpoint", "taylor"])
def test_without_noise_it_is_dpm_solver_pp(schedule, face, correction) -> None:
    grid = wb.grids.karras(schedule, 6)
    quiet = SDE(eta=0.0, correction=correction, face=face)
    rows = solvers.DPMSolverPP2M(correction=correction, face=face).plan(schedule, grid)
    for row, wanted in zip(quiet.plan(schedule, grid), rows, strict=True):
        assert (row.x, *row.past, row.noise) == pytest.approx((wanted.x, *wanted.past, 0.0), rel=1e-10)
    assert not quiet.stochastic and quiet.global_order == 2
    assert SDE(order=3, eta=0.0).global_order == 3 and SDE(order=3, eta=0.0, published=True).global_order == 2


@pytest.mark.parametrize("solver", [SDE(order=3, eta=0.0), SDE(order=3, eta=0.0, published=True)], ids=label)
def test_order_of_the_third_order_without_noise(solver) -> None:
    assert wb.checks.order(solver, solver.global_order, tolerance=0.15).passed


def test_the_published_third_order_halves_the_second_derivative() -> None:
    """On answers that are a parabola in lambda, correct and published differ by half of the exact quadratic term."""
    grid = wb.grids.log_snr(VP(), 5)
    right, public = (SDE(order=3, published=flag).plan(VP(), grid)[3] for flag in (False, True))
    now, end = (lam(VP(), grid[k].item()) for k in (3, 4))
    ages = [lam(VP(), grid[k].item()) - now for k in (3, 2, 1)]
    scale = 2 * levels(VP(), grid[4].item())[0]
    square = quad(lambda u: scale * math.exp(-2 * (end - now - u)) * u * u, 0, end - now, epsrel=1e-12)[0]
    parts = [sum(w * u * u for w, u in zip(row.past, ages, strict=True)) for row in (right, public)]
    assert parts == pytest.approx([square, square / 2], rel=1e-8)
    for power in (0, 1):
        flat = [sum(w * u**power for w, u in zip(row.past, ages, strict=True)) for row in (right, public)]
        assert flat[0] == pytest.approx(flat[1], rel=1e-9, abs=1e-12)


def variance_errors(solver, schedule, start: float, stop: float, counts) -> list[float]:
    """Relative errors of the variance on N(0.7, 0.4^2), each run from the exact law at ``start``; the mean must be exact."""
    (a, b), (c, d) = levels(schedule, start), levels(schedule, stop)
    model, errors = Exact(schedule, ((1.0,), (0.7,), (0.4,))), []
    for n in counts:
        grid = wb.grids.log_snr(schedule, n, start, stop)
        mean, variance = propagate(solver, model, grid, 0.7 * a, 0.16 * a * a + b * b)
        assert mean == pytest.approx(0.7 * c, abs=1e-9)
        errors.append(abs(variance / (0.16 * c * c + d * d) - 1))
    return errors


@pytest.mark.parametrize(("schedule", "start", "stop"), [(VP(), 1.0, 0.01), (VE(), 20.0, 0.1)], ids=["VP", "VE"])
@pytest.mark.parametrize("solver", [*KINDS, SDE(eta=1.7), SDE(correction="taylor", face="noise"), SDE(order=3, eta=0.5)], ids=label)
def test_weak_order(solver, schedule, start, stop) -> None:
    errors = variance_errors(solver, schedule, start, stop, (160, 320))
    slopes = -np.diff(np.log2(errors))
    assert slopes[-1] == pytest.approx(solver.global_order, abs=0.2), (slopes, errors)


def test_a_third_answer_helps_the_constant_not_the_order() -> None:
    """At 160 steps on VP: 2M, 3M and the published 3M."""
    two, three, public = (
        variance_errors(solver, VP(), 1.0, 0.01, (160,))[0] for solver in (SDE(), SDE(order=3), SDE(order=3, published=True))
    )
    assert 0.3 < three / two < 0.5 and 0.6 < public / two < 0.9


def test_the_noise_form_is_not_exact_on_a_point() -> None:
    """One step of order 1: variance sigma_s^2 (1 + 2 (e^h - 1)^2), where the data form has sigma_s^2."""
    for t, s in ((0.6, 0.4), (0.9, 0.2)):
        grid = torch.tensor([t, s], dtype=torch.float64)
        (a, b), (c, d) = levels(VP(), t), levels(VP(), s)
        h = math.log(c / d) - math.log(a / b)
        for face, factor in (("data", 1.0), ("noise", 1 + 2 * math.expm1(h) ** 2)):
            mean, variance = propagate(SDE(order=1, face=face), Mixture(VP(), POINT), grid, 0.7 * a, b * b)
            assert mean == pytest.approx(0.7 * c, rel=1e-10) and variance == pytest.approx(factor * d * d, rel=1e-10)


def test_orders_rise_and_fall() -> None:
    rows = SDE(order=3, final_order=1).plan(VP(), wb.grids.log_snr(VP(), 6))
    assert [len(row.past) for row in rows] == [1, 2, 3, 3, 2, 1]


def test_messages() -> None:
    for make, message in (
        (lambda: SDE(order=4), "SDEDPMSolverPP has the orders 1, 2, 3; got 4"),
        (lambda: SDE(correction="heun"), "correction"),
        (lambda: SDE(face="score"), "face"),
        (lambda: SDE(eta=-0.1), "eta must be 0 .* got -0.1"),
        (lambda: SDE(eta=math.inf), "and finite"),
        (lambda: SDE(published=True), "order 3 alone has; got order=2"),
        (lambda: SDE(final_order=0), "at least 1"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
