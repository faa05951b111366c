"""SA-Solver: what it is at tau = 0 and 1, the law of its samples in closed form, and diffusers' scheduler with its own noise."""

import itertools
import math
from functools import partial

import gaussian_recursion
import numpy as np
import pytest
import torch
from gaussian_recursion import propagate
from helpers import SCHEDULES, SHIFTED, Exact, Mixture, lam, levels, name
from schedulers import drive, scheduler

import workbench as wb
from workbench import solvers
from workbench.schedules import VP
from workbench.solvers.sa_solver import SASolver

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
MEAN, STD = 0.3, 0.4


def run(solver, model, grid):
    return wb.solve(model, X, grid, solver, generator=torch.Generator().manual_seed(7)).x


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_without_noise_it_is_a_method_of_the_flow(schedule) -> None:
    model, grid = Exact(schedule, SHIFTED), wb.grids.log_snr(schedule, 8)
    for face in ("data", "noise"):
        for (p, q), same in {
            (1, 0): solvers.DDIM(),
            (2, 0): solvers.DPMSolverPP2M(correction="taylor", face=face),
            (3, 0): solvers.DPMSolverPP3M(face=face),
            (2, 3): solvers.UniPC(order=2, variant="varying", face=face),
        }.items():
            solver = SASolver(predictor=p, corrector=q, tau=0.0, face=face)
            assert not solver.stochastic
            torch.testing.assert_close(run(solver, model, grid), run(same, model, grid), rtol=1e-10, atol=1e-10)
    solver = SASolver(predictor=2, corrector=0, tau=0.0, published=True)
    same = solvers.UniPC(order=2, variant="B1", corrector=False)
    torch.testing.assert_close(run(solver, model, grid), run(same, model, grid), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_one_answer_and_full_noise_is_ddpm(schedule) -> None:
    grid = wb.grids.karras(schedule, 7)
    one = SASolver(predictor=1, corrector=0, tau=1.0).plan(schedule, grid)
    for row, wanted in zip(one, solvers.DDPM().plan(schedule, grid), strict=True):
        assert (row.x, *row.past, row.noise) == pytest.approx((wanted.x, wanted.data, wanted.noise), rel=1e-9)


def white(generator, like):
    """A draw as diffusers makes it, in the state's own dtype."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)


@pytest.mark.parametrize(("face", "algorithm"), [("data", "data_prediction"), ("noise", "noise_prediction")])
@pytest.mark.parametrize(("predictor", "corrector"), [(1, 1), (1, 3), (2, 2), (2, 3), (3, 1), (3, 3), (3, 4), (2, 4)])
@pytest.mark.parametrize("tau", [0.0, 0.7, 1.0])
def test_as_diffusers_has_it(predictor, corrector, tau, face, algorithm) -> None:
    """Their order counts points.  The stretch between two points is replaced in their data form: ``published``."""
    model, grid = Mixture(VP(), SHIFTED), wb.grids.log_snr(VP(), 9, stop=2e-3)
    for final, descent in ((False, None), (True, 1)):
        theirs = scheduler(
            "SASolver",
            predictor_order=predictor,
            corrector_order=corrector,
            tau_func=lambda t: torch.tensor(tau, dtype=torch.float64),
            algorithm_type=algorithm,
            lower_order_final=final,
        )
        wanted = drive(theirs, model, X, grid, generator=torch.Generator().manual_seed(7))
        solver = SASolver(predictor, corrector, tau, face, published=face == "data", final_order=descent)
        draw = partial(white, torch.Generator().manual_seed(7))
        x = gaussian_recursion.run(solver, model, solver.plan(VP(), grid), X, draw)
        torch.testing.assert_close(x, wanted, rtol=0, atol=1e-5)


def variance(t: float) -> float:
    alpha, sigma = levels(VP(), t)
    return (alpha * STD) ** 2 + sigma**2


def mean_factor(t: float, s: float, tau: float) -> float:
    """How far the mean's distance from alpha MEAN shrinks: sqrt(V_s / V_t) exp(-tau^2 INT sigma^2 / V dlambda)."""
    primitive = [lam(VP(), u) - 0.5 * math.log1p((STD * math.exp(lam(VP(), u))) ** 2) for u in (t, s)]
    return math.sqrt(variance(s) / variance(t)) * math.exp(-tau * tau * (primitive[1] - primitive[0]))


def weak_errors(solver, n: int) -> tuple[float, float]:
    """Of the variance of samples that start in the right law, and of the mean of samples that start at the wrong one."""
    model, grid = Exact(VP(), ((1.0,), (MEAN,), (STD,))), wb.grids.log_snr(VP(), n, 1.0, 0.01)
    begin, end = levels(VP(), 1.0)[0] * MEAN, levels(VP(), 0.01)[0] * MEAN
    got = propagate(solver, model, grid, begin + 1.0, variance(1.0))
    return abs(got[1] - variance(0.01)), abs(got[0] - end - mean_factor(1.0, 0.01, solver.tau_at(0.5)))


@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize(("predictor", "corrector"), [(1, 0), (1, 2), (2, 0), (2, 1), (3, 3), (3, 4)])
def test_weak_orders(predictor, corrector, face, tau) -> None:
    """The variance to the weak order, at most 2; the mean, which no noise enters, to the order of the flow."""
    solver = SASolver(predictor, corrector, tau, face)
    flow = SASolver(predictor, corrector, 0.0, face).global_order
    errors = np.array([weak_errors(solver, n) for n in (80, 160)])
    slopes = np.log2(errors[:-1] / errors[1:])
    assert solver.global_order == min(2, flow)
    if face == "data" or min(predictor + 1, corrector or predictor) > 1:  # first order in noise form: a sign change hides the slope
        assert slopes[-1, 0] == pytest.approx(solver.global_order, abs=0.2), errors
    if tau != 1 or face == "noise":
        assert slopes[-1, 1] > min(flow, 3) - 0.5, errors  # the start, of order 1 and corrected once, leaves 3


def test_with_full_noise_the_mean_is_exact_at_any_step() -> None:
    """Under DDPM's SDE the data prediction is a martingale: its expectation stands still, and any average of it is right."""
    for predictor, corrector, n in itertools.product((1, 2, 3), (0, 2, 4), (2, 5)):
        assert weak_errors(SASolver(predictor, corrector, 1.0), n)[1] < 1e-12
    assert weak_errors(SASolver(2, 0, 0.9), 5)[1] > 1e-4


def test_the_corrector_pays_in_variance() -> None:
    plain, corrected, higher = (weak_errors(SASolver(p, q, 1.0), 20)[0] for p, q in ((1, 0), (1, 2), (2, 3)))
    assert plain > 1.5 * corrected > 1.5**2 * higher


def test_noise_only_in_the_interval() -> None:
    grid = wb.grids.uniform(VP(), 10, 1.0, 0.05)
    high, low = grid[2].item(), grid[7].item()  # both belong to the interval
    solver = SASolver(tau=(low, high, 0.6))
    rows, full, none = (s.plan(VP(), grid) for s in (solver, SASolver(tau=0.6), SASolver(tau=0.0)))
    for row, other, still, t in zip(rows, full, none, grid.tolist(), strict=False):
        inside = low <= t <= high
        assert row.noise == (other.noise if inside else 0.0) and row.x == (other.x if inside else still.x)
    assert solver.stochastic and sum(row.noise > 0 for row in rows) == 6


def test_messages() -> None:
    for make, message in (
        (lambda: SASolver(predictor=0), "the predictor of SASolver has the orders 1, 2, 3, 4; got 0"),
        (lambda: SASolver(corrector=5), "corrector"),
        (lambda: SASolver(tau=-1.0), "tau"),
        (lambda: SASolver(tau=math.inf), "tau"),
        (lambda: SASolver(tau=(0.8, 0.2, 1.0)), "low < high"),
        (lambda: SASolver(tau=(0.2, 0.8)), "tau"),
        (lambda: SASolver(face="score"), "face"),
        (lambda: SASolver(final_order=0), "at least 1"),
        (lambda: SASolver(face="noise", published=True), "face='data'"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
