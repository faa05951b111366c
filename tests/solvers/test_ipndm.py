"""iPNDM: its formula written out, the grid on which the constants are right, and diffusers' scheduler."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import SCHEDULES, SHIFTED, Exact, Mixture, levels, name
from schedulers import scheduler

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, Cosine, DiscreteVP

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
CONSTANTS = {1: [1], 2: [3 / 2, -1 / 2], 3: [23 / 12, -16 / 12, 5 / 12], 4: [55 / 24, -59 / 24, 37 / 24, -9 / 24]}
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
orders = pytest.mark.parametrize("order", [1, 2, 3, 4])


def transfer(schedule, x, e, t, s):
    """The paper's equation (9), alpha-bar written with the textbook levels: keep (x, e)'s data and noise, change the level."""
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    return c * (x - b * e) / a + d * e


@every
@orders
def test_written_out(schedule, order) -> None:
    grid, exact = wb.grids.karras(schedule, 6), Mixture(schedule, SHIFTED)
    x, seen = X, []
    for t, s in itertools.pairwise(grid.tolist()):
        seen.insert(0, exact.answer("noise", x, t))
        constants = CONSTANTS[min(order, len(seen))]
        x = transfer(schedule, x, sum(b * e for b, e in zip(constants, seen, strict=False)), t, s)
    torch.testing.assert_close(wb.solve(exact, X, grid, solvers.IPNDM(order)).x, x, rtol=1e-9, atol=1e-10)


@every
def test_order_one_is_ddim(schedule) -> None:
    grid, model = wb.grids.log_snr(schedule, 7, stop=0.0), Mixture(schedule)
    one, two = (wb.solve(model, X, grid, solver).x for solver in (solvers.IPNDM(1), solvers.DDIM()))
    torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-11)


def test_the_order_stops_at_two_whatever_the_name() -> None:
    """Orders 3 and 4 share the leading error of the ignored weight: their errors become equal, order 2's has a term of its own."""
    model, x = Exact(VP()), X[:1] * 0.9
    wanted = solvers.reference(model, x, 1.0, 1e-2, rtol=1e-12, atol=1e-13).x
    errors = {}
    for order, n in itertools.product((2, 3, 4), (160, 320)):
        run = wb.solve(model, x, wb.grids.log_snr(VP(), n, 1.0, 1e-2), solvers.IPNDM(order))
        errors[order, n] = (run.x - wanted).abs().max().item()
    for order in (2, 3, 4):
        assert math.log2(errors[order, 160] / errors[order, 320]) == pytest.approx(2, abs=0.03)
        assert solvers.IPNDM(order).global_order == 2 and solvers.IPNDM(order).order == order
    assert errors[3, 320] == pytest.approx(errors[4, 320], rel=0.02)
    assert abs(errors[2, 320] / errors[4, 320] - 1) > 0.1
    assert solvers.IPNDM(1).global_order == 1


@orders
def test_on_equal_steps_in_rho_it_is_lms(order) -> None:
    """There, and only there, the constants are the exact integrals."""
    model, even, uneven = Mixture(VE()), wb.grids.uniform(VE(), 12, 5.0, 0.2), wb.grids.karras(VE(), 12, 5.0, 0.2)
    pair = solvers.IPNDM(order), solvers.LMS(order)
    one, two = (wb.solve(model, 5 * X, even, solver).x for solver in pair)
    torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-11)
    if order > 1:
        one, two = (wb.solve(model, 5 * X, uneven, solver).x for solver in pair)
        assert (one - two).abs().max() > 5e-3


@pytest.mark.parametrize("order", [3, 4])
def test_on_equal_steps_in_rho_it_has_its_own_order(order) -> None:
    """From a start of DDIM steps the run is of order 2; from steps already taken exactly, of order ``order``."""
    model, x = Exact(VE()), 3 * X[:1]
    exact = {t: solvers.reference(model, x, 3.0, t, rtol=1e-12, atol=1e-13).x for t in (2.75, 1.0)}
    errors = []
    for n in (80, 160):
        grid = wb.grids.uniform(VE(), n, 3.0, 1.0)
        memory, rows = (), solvers.IPNDM(order).plan(VE(), grid)
        begin = n // 8  # at 2.75, with the answers along the exact path as memory
        for k in range(begin - order + 1, begin):
            state = solvers.reference(model, x, 3.0, grid[k].item(), rtol=1e-12, atol=1e-13).x
            memory = (model.noise(state, grid[k].item()), *memory)
        state = exact[2.75]
        for row in rows[begin:]:
            state, memory = solvers.IPNDM(order).step(model, state, row, memory, None)
        errors.append((state - exact[1.0]).abs().max().item())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25), errors


def test_counts_and_descent() -> None:
    model = Mixture(VP())
    for n, stop in itertools.product((1, 2, 5), (None, 0.0)):
        run = wb.solve(model, X, wb.grids.log_snr(VP(), n, stop=stop), solvers.IPNDM())
        assert run.evaluations == n == solvers.IPNDM().evaluations(n, to_zero=stop == 0)
    rows = solvers.IPNDM(4, final_order=2).plan(VP(), wb.grids.log_snr(VP(), 7))
    assert [len(row.past) for row in rows] == [1, 2, 3, 4, 4, 3, 2]


def test_one_sample_does_not_see_another() -> None:
    model, grid = Mixture(VP()), wb.grids.log_snr(VP(), 6, stop=0.0)
    for solver in (solvers.IPNDM(), solvers.PNDM(), solvers.SPNDM(), solvers.LMS()):
        together = wb.solve(model, X, grid, solver).x
        alone = torch.cat([wb.solve(model, x[None], grid, solver).x for x in X])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-15)


def test_messages() -> None:
    with pytest.raises(ValueError, match="orders 1, 2, 3, 4; got 5"):
        solvers.IPNDM(5)
    with pytest.raises(ValueError, match="at least 1"):
        solvers.IPNDM(final_order=0)


# diffusers.  Its IPNDMScheduler knows one schedule, sigma = sin(pi u / 2)^2, whatever the model was trained with, and takes the v face.


def theirs(model, x, alphas, sigmas, times):
    other = scheduler("IPNDM")
    other.set_timesteps(len(times) - 1)
    if alphas is not None:
        other.alphas, other.betas = torch.tensor(alphas, dtype=torch.float64), torch.tensor(sigmas, dtype=torch.float64)
        other.timesteps = torch.arange(len(times) - 1)
    for i, t in enumerate(times[:-1]):
        x = other.step(model.answer("v", x, t), other.timesteps[i], x).prev_sample
    return x


def test_as_diffusers_has_it_on_our_levels() -> None:
    """Given our levels in place of its own, and v, it is this method."""
    model, grid = Mixture(VP(), SHIFTED), wb.grids.log_snr(VP(), 9)
    alphas, sigmas = ([levels(VP(), t)[i] for t in grid.tolist()] for i in (0, 1))
    got = wb.solve(model, X, grid, solvers.IPNDM()).x
    torch.testing.assert_close(got, theirs(model, X, alphas, sigmas, grid.tolist()), rtol=0, atol=1e-9)


def test_its_own_levels_are_those_of_one_schedule() -> None:
    """As shipped: a cosine schedule, told in its angle, whatever the model was trained with.  It starts at alpha = 0, where its first
    step divides 0 by 1e-8: the model's first answer is ignored, and the state becomes sigma_s x whatever the model says."""
    other = scheduler("IPNDM")
    other.set_timesteps(10)
    asked = other.timesteps.double().tolist()
    np.testing.assert_allclose(other.betas[:-1], np.sin(np.array(asked) * np.pi / 2), atol=1e-6)
    for schedule, far in ((Cosine(), 0.02), (VP(), 0.2), (DiscreteVP.linear(), 0.2), (wb.schedules.Rectified(), 0.1)):
        mine = [levels(schedule, t)[1] for t in asked[1:]]
        assert (np.abs(other.betas[1:-1].numpy() - mine).max() < far) == isinstance(schedule, Cosine)
    for v in (torch.zeros_like(X), torch.full_like(X, 0.5)):
        fresh = scheduler("IPNDM")
        fresh.set_timesteps(10)
        moved = fresh.step(v, fresh.timesteps[0], X).prev_sample
        torch.testing.assert_close(moved, fresh.betas[1].double() * X, rtol=0, atol=1e-6)
    run = wb.solve(Mixture(Cosine(), ((1.0,), (0.5,), (0.1,))), X, [1.0, 0.9], solvers.IPNDM())
    assert (run.x - levels(Cosine(), 0.9)[1] * X).abs().min() > 0.05  # ours moves toward the data: alpha_s times their mean
