"""DPM-Solver++(3M): the exact integral of the parabola, and the form that the public codes have."""

import math

import pytest
import torch
from helpers import POINT, PRESERVING, SCHEDULES, SHIFTED, Mixture, lam, levels, name
from schedulers import drive, scheduler
from scipy.integrate import quad

import workbench as wb
from workbench import solvers

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
faces = pytest.mark.parametrize("face", ["data", "noise"])


def by_divided_differences(schedule, face: str, past, s: float, factor: float) -> list[float]:
    """The published update, written for the three answers as unit vectors; ``factor`` 1 as published, 2 as derived."""
    l0, l1, l2, ls = (lam(schedule, t) for t in (*past, s))
    h, r0, r1 = ls - l0, (l0 - l1) / (ls - l0), (l1 - l2) / (ls - l0)
    alpha, sigma = levels(schedule, s)
    z, scale = (-h, alpha) if face == "data" else (h, -sigma)
    b1 = math.expm1(z) / z
    b2, b3 = (b1 - 1) / z, ((b1 - 1) / z - 0.5) / z
    weights = []
    for m0, m1, m2 in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        d10, d11 = (m0 - m1) / r0, (m1 - m2) / r1
        first, second = d10 + r0 / (r0 + r1) * (d10 - d11), factor * (d10 - d11) / (r0 + r1)
        weights.append(scale * h * (b1 * m0 + b2 * first + b3 * second))
    return weights


@every
@faces
@pytest.mark.parametrize("published", [False, True])
def test_divided_differences(schedule, face, published) -> None:
    """On uneven steps, with the factor 2 and without it."""
    grid = wb.grids.karras(schedule, 5).tolist()
    rows = solvers.DPMSolverPP3M(published=published, face=face).plan(schedule, torch.tensor(grid, dtype=torch.float64))
    for i in range(2, 5):
        wanted = by_divided_differences(schedule, face, grid[i : i - 3 : -1] if i > 2 else grid[2::-1], grid[i + 1], 2 - published)
        assert rows[i].past == pytest.approx(wanted, rel=1e-7)


@every
@faces
def test_the_parabola_is_integrated_exactly(schedule, face) -> None:
    """Weights by quadrature of e^(+-l) times each Lagrange polynomial."""
    grid = wb.grids.karras(schedule, 5).tolist()
    rows = solvers.DPMSolverPP3M(face=face).plan(schedule, torch.tensor(grid, dtype=torch.float64))
    for i in range(5):
        nodes, (t, s) = [lam(schedule, u) for u in grid[max(i - 2, 0) : i + 1]][::-1], (lam(schedule, u) for u in grid[i : i + 2])
        alpha, sigma = levels(schedule, grid[i + 1])
        scale, sign = (sigma, 1) if face == "data" else (-alpha, -1)
        for j, own in enumerate(nodes):
            others = nodes[:j] + nodes[j + 1 :]
            basis = lambda u: math.prod((u - other) / (own - other) for other in others)  # noqa: B023, E731
            wanted = quad(lambda u: scale * math.exp(sign * u) * basis(u), t, s, epsrel=1e-12)[0]  # noqa: B023
            assert rows[i].past[j] == pytest.approx(wanted, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@pytest.mark.parametrize(("face", "algorithm"), [("data", "dpmsolver++"), ("noise", "dpmsolver")])
def test_published_is_what_diffusers_has(schedule, face, algorithm) -> None:
    """The same states to the float32 of diffusers; the correct form is 100 times that away."""
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 9, stop=2 * schedule.t_last)
    theirs = scheduler(
        "DPMSolverMultistep", solver_order=3, algorithm_type=algorithm, final_sigmas_type="sigma_min", lower_order_final=False
    )
    wanted = drive(theirs, model, X, grid)
    got = wb.solve(model, X, grid, solvers.DPMSolverPP3M(published=True, face=face)).x
    torch.testing.assert_close(got, wanted, rtol=0, atol=2e-6)
    assert (wb.solve(model, X, grid, solvers.DPMSolverPP3M(face=face)).x - wanted).abs().max() > 2e-4


def test_it_is_deis_in_log_rho() -> None:
    """The noise form extrapolates what DEIS extrapolates; 2M's "taylor" is the same with one answer less."""
    for schedule in SCHEDULES:
        grid = wb.grids.karras(schedule, 7)
        three, two = solvers.DPMSolverPP3M(face="noise"), solvers.DPMSolverPP2M("taylor", "noise")
        assert three.plan(schedule, grid) == solvers.DEIS(3, "log_rho").plan(schedule, grid)
        for ours, theirs in zip(two.plan(schedule, grid), solvers.DEIS(2, "log_rho").plan(schedule, grid), strict=True):
            assert ours.past == pytest.approx(theirs.past, rel=1e-11) and ours[:2] == theirs[:2]


@every
@faces
def test_a_point_mass_is_exact_on_any_grid(schedule, face) -> None:
    """Differences of a constant vanish, whatever their weights: so the published form passes this test too."""
    a, b, c, d = *levels(schedule, 0.6), *levels(schedule, 0.1)
    eps = torch.tensor([[-1.3, 0.2]], dtype=torch.float64)
    for published in (False, True):
        solver = solvers.DPMSolverPP3M(published=published, face=face)
        got = wb.solve(Mixture(schedule, POINT), a * 0.7 + b * eps, [0.6, 0.45, 0.3, 0.26, 0.1], solver).x
        torch.testing.assert_close(got, c * 0.7 + d * eps, rtol=0, atol=1e-12)


def test_start_and_descent() -> None:
    schedule = wb.schedules.VP()
    grid = wb.grids.log_snr(schedule, 6)
    count = lambda solver: [len(row.past) for row in solver.plan(schedule, grid)]  # noqa: E731
    assert count(solvers.DPMSolverPP3M()) == [1, 2, 3, 3, 3, 3]
    assert count(solvers.DPMSolverPP3M(final_order=1)) == [1, 2, 3, 3, 2, 1]
    second = solvers.DPMSolverPP2M().plan(schedule, grid)[1]
    assert solvers.DPMSolverPP3M(published=True).plan(schedule, grid)[1] == second
    assert solvers.DPMSolverPP3M().plan(schedule, grid)[1].past == pytest.approx(
        solvers.DPMSolverPP2M("taylor").plan(schedule, grid)[1].past, rel=1e-12
    )


def test_messages() -> None:
    with pytest.raises((ValueError, TypeError), match="face"):
        solvers.DPMSolverPP3M(face="score")
    with pytest.raises((ValueError, TypeError), match="at least 1"):
        solvers.DPMSolverPP3M(final_order=0)
