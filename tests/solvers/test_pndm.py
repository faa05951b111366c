"""PNDM and S-PNDM: the paper's steps written out, their counts, and diffusers' scheduler on the grid where they agree."""

import itertools
import math

import pytest
import torch
from helpers import SCHEDULES, SHIFTED, SINGULAR_START, Exact, Mixture, levels, linear_table, name
from schedulers import scheduler

import workbench as wb
from workbench import solvers
from workbench.schedules import VP, DiscreteVP

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
EVERY = (solvers.PNDM(), solvers.SPNDM(), solvers.SPNDM(order=3), solvers.SPNDM(order=4))
each = pytest.mark.parametrize("solver", EVERY, ids=str)


def transfer(schedule, x, e, t, s):
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    return c * (x - b * e) / a + d * e


def runge_kutta(schedule, eps, x, t, s):
    """The paper's pseudo-Runge-Kutta step: every stage from x, by the transfer; returns the new state and e_1."""
    m = (t + s) / 2
    e1 = eps(x, t)
    e2 = eps(transfer(schedule, x, e1, t, m), m)
    e3 = eps(transfer(schedule, x, e2, t, m), m)
    e4 = eps(transfer(schedule, x, e3, t, s), s)
    return transfer(schedule, x, (e1 + 2 * e2 + 2 * e3 + e4) / 6, t, s), e1


def improved_euler(schedule, eps, x, t, s):
    e1 = eps(x, t)
    e2 = eps(transfer(schedule, x, e1, t, s), s)
    return transfer(schedule, x, (e1 + e2) / 2, t, s), e1


def written_out(model, x, times, start, start_steps, order):
    """A few steps of ``start``, then the constants 3, -1 (over 2) and so on, on as many answers as there are."""
    constants = {2: [1.5, -0.5], 3: [23 / 12, -16 / 12, 5 / 12], 4: [55 / 24, -59 / 24, 37 / 24, -9 / 24]}
    eps, seen = lambda y, t: model.answer("noise", y, t), []
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        if i < start_steps:
            x, e = start(model.schedule, eps, x, t, s)
            seen.insert(0, e)
        else:
            seen.insert(0, eps(x, t))
            weights = constants[min(order, len(seen))]
            x = transfer(model.schedule, x, sum(b * e for b, e in zip(weights, seen, strict=False)), t, s)
    return x


@every
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_written_out(schedule, n) -> None:
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, n, stop=3 * schedule.t_last)
    wanted = written_out(model, X, grid.tolist(), runge_kutta, 3, 4)
    torch.testing.assert_close(wb.solve(model, X, grid, solvers.PNDM()).x, wanted, rtol=1e-9, atol=1e-9)
    for order in (2, 3, 4):
        wanted = written_out(model, X, grid.tolist(), improved_euler, 1, order)
        torch.testing.assert_close(wb.solve(model, X, grid, solvers.SPNDM(order)).x, wanted, rtol=1e-9, atol=1e-9)


def test_counts_in_numbers() -> None:
    """The paper's N + 9 and N + 1; runs that are all start cost 4 N and 2; a last step to 0 and a first from alpha = 0 cost one."""
    model = Mixture(VP())
    for n in (1, 2, 3, 4, 10):
        grid = wb.grids.log_snr(VP(), n)
        assert (
            wb.solve(model, X, grid, solvers.PNDM()).evaluations
            == min(4 * n, n + 9)
            == solvers.PNDM().evaluations(n, to_zero=False)
        )
        assert wb.solve(model, X, grid, solvers.SPNDM()).evaluations == n + 1 == solvers.SPNDM().evaluations(n, to_zero=False)
        grid = wb.grids.log_snr(VP(), n, stop=0.0)
        assert wb.solve(model, X, grid, solvers.PNDM()).evaluations == min(4 * n - 3, n + 9) == solvers.PNDM().evaluations(n)
        assert wb.solve(model, X, grid, solvers.SPNDM()).evaluations == n + (n > 1) == solvers.SPNDM().evaluations(n)


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
@each
def test_counts_from_pure_noise(solver, schedule) -> None:
    for n, stop in itertools.product((1, 2, 3, 4, 5, 8), (0.0, 0.05)):
        grid = wb.grids.log_snr(schedule, n, 1.0, stop)
        assert wb.solve(Mixture(schedule), X, grid, solver).evaluations == solver.evaluations_on(schedule, grid)


@each
def test_upward(solver) -> None:
    """On an increasing grid the noise that belongs to a sample, with the order of the way down."""
    model = Exact(VP())
    wanted, errors = solvers.reference(model, X, 1e-2, 0.9, rtol=1e-12, atol=1e-13).x, []
    for n in (80, 160):
        run = wb.solve(model, X, wb.grids.log_snr(VP(), n, 0.9, 1e-2).flip(0), solver)
        errors.append((run.x - wanted).abs().max().item())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15) and errors[1] < 2e-3, errors


def test_the_expensive_start_buys_nothing_asymptotically() -> None:
    """With many steps PNDM, S-PNDM and iPNDM have one error, that of the constants."""
    model, grid = Exact(VP()), wb.grids.log_snr(VP(), 320, 1.0, 1e-2)
    wanted = solvers.reference(model, X, 1.0, 1e-2, rtol=1e-12, atol=1e-13).x
    errors = [
        (wb.solve(model, X, grid, solver).x - wanted).abs().max().item()
        for solver in (solvers.PNDM(), solvers.SPNDM(order=4), solvers.IPNDM())
    ]
    assert max(errors) < 1.02 * min(errors)


def test_messages() -> None:
    with pytest.raises(ValueError, match="orders 2, 3, 4; got 1"):
        solvers.SPNDM(1)
    assert solvers.SPNDM().order == 2 and solvers.PNDM().order == 4 == solvers.IPNDM().order == solvers.LMS().order


# diffusers

TABLE = linear_table().tolist()


def theirs(model, x, n: int, upto: int, **settings):
    """Run diffusers' scheduler until the model is asked at level ``upto`` for the first time; also how often it was asked before."""
    other = scheduler("PNDM", **settings)
    other.set_timesteps(n)
    for calls, level in enumerate(other.timesteps.tolist()):
        if level == upto:
            return x, calls
        x = other.step(model.answer("noise", x, (level + 1) / 1000), level, x).prev_sample
    return x, len(other.timesteps)


@pytest.mark.parametrize(("skip", "solver"), [(False, solvers.PNDM()), (True, solvers.SPNDM(order=4))], ids=["PNDM", "SPNDM"])
@pytest.mark.parametrize(("spacing", "first", "last"), [("leading", 900, 0), ("trailing", 999, 99)])
def test_as_diffusers_has_it(skip, solver, spacing, first, last) -> None:
    """Levels first, first - 100, ..., last, on which ours takes 9 steps.  With skip_prk_steps the level that it lists twice is the
    second stage of the improved Euler step, asked at the *next* level; then constants of rising order: S-PNDM of order 4."""
    model = Mixture(DiscreteVP(TABLE), SHIFTED, "noise")
    x, calls = theirs(model, X, 10, last, skip_prk_steps=skip, timestep_spacing=spacing)
    grid = torch.arange(first, last - 1, -100, dtype=torch.float64).add_(1) / 1000
    run = wb.solve(model, X, grid, solver)
    torch.testing.assert_close(run.x, x, rtol=0, atol=2e-5)  # its alphas_cumprod are float32
    assert run.evaluations == calls


def test_where_diffusers_goes_elsewhere() -> None:
    """Two of its habits, shown: on the "leading" grid its last step goes from level 0 to level 0, a call for nothing; and on
    "linspace" it steps by 1000 // N = 100 levels, not the 111 to the next level that it asks the model at."""
    model = Mixture(DiscreteVP(TABLE), SHIFTED, "noise")
    settings = {"skip_prk_steps": True, "timestep_spacing": "leading"}
    before, calls = theirs(model, X, 10, 0, **settings)
    after, more = theirs(model, X, 10, -1, **settings)
    torch.testing.assert_close(before, after, rtol=0, atol=1e-12)
    assert (calls, more) == (10, 11)
    x, _ = theirs(model, X, 10, 0, skip_prk_steps=True, timestep_spacing="linspace")
    grid = (torch.linspace(999, 0, 10, dtype=torch.float64).round() + 1) / 1000
    assert (wb.solve(model, X, grid, solvers.SPNDM(order=4)).x - x).abs().max() > 0.1
