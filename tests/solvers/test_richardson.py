"""Extrapolation in the step and of whole runs: one order more, from the same looks."""

import math

import pytest
import torch
from helpers import POINT, T1, Exact, Mixture, label, levels
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_flow import start_of, truth

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, Cosine, Rectified
from workbench.solvers.defects import moment_weight, power_weight
from workbench.solvers.exponential import exact_step
from workbench.solvers.runge_kutta import RungeKutta, Tableau

TAYLOR = solvers.DPMSolverPP2M(correction="taylor")
BASES = [
    solvers.DDIM(),
    solvers.Euler(),
    solvers.Euler(variable="t"),
    solvers.Midpoint(),
    solvers.DPMSolver(order=2),
    solvers.DPMSolverPP3S(),
    TAYLOR,
    solvers.DPMSolverPP2M(correction="taylor", face="noise"),
    solvers.DEIS(3, "log_rho"),
]
X = torch.tensor([[0.3, -1.7], [2.0, 0.4]], dtype=torch.float64)


def uneven() -> torch.Tensor:
    """Eight steps of very different length."""
    return torch.tensor([0.9, 0.8, 0.55, 0.5, 0.3, 0.27, 0.2, 0.08, 0.05], dtype=torch.float64)


CASES = [(base, 2, wb.grids.log_snr) for base in BASES]
CASES += [(base, 3, wb.grids.karras) for base in (solvers.DDIM(), solvers.Midpoint(), TAYLOR)]


@pytest.mark.parametrize(("base", "parts", "grid"), CASES, ids=lambda value: label(value) if hasattr(value, "paper") else "")
def test_one_order_more(base, parts, grid) -> None:
    schedule, start, stop = VP(), 0.9, 5e-2
    x = start_of(schedule, start)
    wanted, errors = truth(schedule, x, start, stop), []
    for n in (48, 96):
        times = grid(schedule, n, start, stop)
        errors.append((wb.solve(Exact(schedule), x, times, solvers.Richardson(base, parts)).x - wanted).abs().max().item())
    plain = (wb.solve(Exact(schedule), x, times, base).x - wanted).abs().max().item()
    assert math.log2(errors[0] / errors[1]) > base.global_order + 1 - 0.4, errors
    assert errors[-1] < plain / 1.5


@pytest.mark.parametrize("base", [solvers.DDIM(), solvers.Euler(), solvers.DPMSolver(order=2), TAYLOR], ids=label)
def test_one_order_more_on_steps_that_alternate(base) -> None:
    """A grid on which the weights of equal steps leave the order where it was."""
    schedule, start, stop = VP(), 0.9, 5e-2
    x = start_of(schedule, start)
    wanted, errors = truth(schedule, x, start, stop), []
    for n in (48, 96):
        times = wb.grids.log_snr(schedule, n, start, stop)
        clock = torch.tensor([schedule.log_snr(t) for t in times.tolist()], dtype=torch.float64)
        clock[1:-1:2] += 0.3 * (clock[1] - clock[0])
        times = torch.tensor([start, *(schedule.inverse_log_snr(c) for c in clock[1:-1].tolist()), stop], dtype=torch.float64)
        errors.append((wb.solve(Exact(schedule), x, times, solvers.Richardson(base)).x - wanted).abs().max().item())
    assert math.log2(errors[0] / errors[1]) > base.global_order + 1 - 0.4, errors


def test_the_weights_of_the_textbooks_on_equal_steps() -> None:
    """1 / (k^p - 1): exactly by powers, and by moments as the steps shrink."""
    schedule = VP()
    for base, parts in ((solvers.DPMSolver(order=1), 2), (solvers.DPMSolver(order=2), 3), (solvers.DPMSolverPP3S(), 2)):
        times = wb.grids.log_snr(schedule, parts, 0.5, 0.4).tolist()
        assert power_weight(base, schedule, times) == pytest.approx(1 / (parts**base.order - 1), rel=1e-9)
    for base, parts in ((solvers.DDIM(), 2), (solvers.DDIM(), 4), (TAYLOR, 2), (solvers.DEIS(3, "log_rho"), 2)):
        rows = solvers.Richardson(base, parts).plan(schedule, wb.grids.log_snr(schedule, 4 * parts, 0.5, 0.49))
        assert rows[-1].weight == pytest.approx(1 / (parts**base.order - 1), rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.95), st.sampled_from([VP(), VE(), Rectified()]), st.sampled_from(["data", "noise"]))
def test_ddim_extrapolated_is_the_line_through_both_looks(part, schedule, face) -> None:
    """Two steps and one across them: DPM-Solver++(2S), "taylor", with its inner look at the point between."""
    start, stop = (0.8, 0.2) if schedule.t_max == 1 else (3.0, 0.4)
    h = schedule.log_snr(stop) - schedule.log_snr(start)
    between = schedule.inverse_log_snr(schedule.log_snr(start) + part * h)
    model = Exact(schedule)
    got = wb.solve(model, X, [start, between, stop], solvers.Richardson(solvers.DDIM())).x
    wanted = wb.solve(model, X, [start, stop], solvers.DPMSolverPP2S(correction="taylor", r1=part)).x
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 0.95))
def test_euler_extrapolated_is_a_runge_kutta_method(part) -> None:
    """Node c, weights 1 - 1 / 2c and 1 / 2c; c = 1/2 is the midpoint rule."""
    schedule, rho = VE(), (3.0, 0.4)
    between = rho[0] + part * (rho[1] - rho[0])

    class Family(RungeKutta):
        tableau = Tableau((0.0, part), ((), (part,)), (1 - 0.5 / part, 0.5 / part))

    got = wb.solve(Exact(schedule), X, [rho[0], between, rho[1]], solvers.Richardson(solvers.Euler())).x
    torch.testing.assert_close(got, wb.solve(Exact(schedule), X, list(rho), Family()).x, rtol=0, atol=1e-10)
    middle = wb.solve(Exact(schedule), X, [3.0, 1.7, 0.4], solvers.Richardson(solvers.Euler())).x
    torch.testing.assert_close(middle, wb.solve(Exact(schedule), X, [3.0, 0.4], solvers.Midpoint()).x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("base", [solvers.DDIM(), TAYLOR, solvers.DPMSolverPP3M()], ids=label)
@pytest.mark.parametrize("parts", [2, 3])
def test_exact_for_answers_of_one_degree_more(base, parts) -> None:
    """An answer that is a polynomial of degree p in lambda, whatever the state: the last block misses nothing of it."""
    schedule, power = VP(), int(base.order)
    grid = wb.grids.uniform(schedule, parts * (power + 1), 0.8, 0.2)

    class Polynomial(Exact):
        def data(self, x, t):
            return torch.full_like(x, schedule.log_snr(t) ** power)

    run = wb.solve(
        Polynomial(schedule), torch.zeros(1, 1, dtype=torch.float64), grid, solvers.Richardson(base, parts), trajectory=True
    )
    begin, end = grid[-1 - parts].item(), grid[-1].item()
    clock = schedule.log_snr(begin)
    exact = exact_step(schedule, begin, end, "data", power + 1)
    inner = sum(d * math.perm(power, k) * clock ** (power - k) for k, d in enumerate(exact.derivatives))
    torch.testing.assert_close(run.x, exact.x * run.xs[-1 - parts] + inner, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("schedule", [VP(), VE(), Rectified()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("base", [solvers.DDIM(), solvers.Heun(), TAYLOR], ids=label)
def test_a_point_mass_stays_exact(base, schedule) -> None:
    (a, b), (c, d) = levels(schedule, 0.8), levels(schedule, 0.1)
    eps = torch.tensor([[-1.3, 0.2]], dtype=torch.float64)
    for times in ([0.8, 0.6, 0.55, 0.3, 0.1], [0.8, 0.2, 0.1], [0.8, 0.1]):
        got = wb.solve(Mixture(schedule, POINT), a * 0.7 + b * eps, times, solvers.Richardson(base)).x
        torch.testing.assert_close(got, c * 0.7 + d * eps, rtol=0, atol=1e-11)


def test_the_long_step_asks_only_for_what_is_new() -> None:
    asked = []

    class Watched(Exact):
        def answer(self, target, x, t):
            asked.append((t, x.clone()))
            return super().answer(target, x, t)

    for base, parts, calls in ((solvers.DDIM(), 2, 8), (TAYLOR, 4, 8), (solvers.Heun(), 2, 16 + 4), (solvers.RK4(), 4, 32 + 6)):
        asked.clear()
        solver = solvers.Richardson(base, parts)
        run = wb.solve(Watched(VP()), X, uneven(), solver)
        assert len(asked) == run.evaluations == solver.evaluations(8, to_zero=False) == calls
        assert not any(t == s and torch.equal(x, y) for i, (t, x) in enumerate(asked) for s, y in asked[:i])


def test_what_does_not_fill_a_block_comes_first() -> None:
    grid = uneven()
    run = wb.solve(Exact(VP()), X, grid, solvers.Richardson(parts=3), trajectory=True)
    first = wb.solve(Exact(VP()), X, grid[:3], solvers.DDIM()).x
    torch.testing.assert_close(run.xs[2], first, rtol=0, atol=1e-12)
    rest = wb.solve(Exact(VP()), first, grid[2:], solvers.Richardson(parts=3)).x
    torch.testing.assert_close(run.x, rest, rtol=0, atol=1e-12)
    lone = wb.solve(Exact(VP()), X, grid[:3], solvers.Richardson(parts=3)).x
    assert torch.equal(lone, first)


def test_samples_do_not_see_each_other() -> None:
    for base in (solvers.Heun(), TAYLOR):
        both = wb.solve(Exact(VP()), X, uneven(), solvers.Richardson(base)).x
        alone = wb.solve(Exact(VP()), X[1:], uneven(), solvers.Richardson(base)).x
        torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (solvers.DDIM(eta=1.0), "not known up to one constant"),
        (solvers.Heun(churn=3.0), "not known up to one constant"),
        (solvers.DPMSolverPP2M(), "taylor"),
        (solvers.DPMSolverPP3M(published=True), "not known"),
        (solvers.DEIS(2, "rho"), "log_rho"),
        (solvers.UniPC(), r"wb\.solvers\.extrapolated"),
        (solvers.IPNDM(), "not known"),
    ],
    ids=lambda value: label(value) if hasattr(value, "paper") else "",
)
def test_bases_whose_error_is_not_known(base, message) -> None:
    with pytest.raises(ValueError, match=message):
        solvers.Richardson(base)


@pytest.mark.parametrize("parts", [1, 0, -2, True])
def test_a_block_has_two_steps_at_least(parts) -> None:
    with pytest.raises(ValueError, match="parts is the number of steps"):
        solvers.Richardson(parts=parts)


def test_a_base_is_a_solver() -> None:
    with pytest.raises(TypeError, match="base"):
        solvers.Richardson(solvers.DDIM)


# Whole runs


@pytest.mark.parametrize(
    "solver", [solvers.DDIM(), solvers.Heun(), solvers.DPMSolverPP2M(), solvers.UniPC(order=2), solvers.IPNDM()], ids=label
)
def test_two_runs_have_one_order_more(solver) -> None:
    schedule, x = VP(), start_of(VP(), 1.0)
    wanted, errors = truth(schedule, x, 1.0, 1e-2), []
    for n in (80, 160):
        run = solvers.extrapolated(Exact(schedule), x, wb.grids.log_snr(schedule, n, 1.0, 1e-2), solver)
        errors.append((run.x - wanted).abs().max().item())
        missed = (run.plain - wanted).abs().max().item()
        assert run.gain.abs().max().item() == pytest.approx(missed, rel=0.25)  # the estimate of the plain run's error
        assert run.evaluations == solver.evaluations(n, to_zero=False) + solver.evaluations(n // 2, to_zero=False) - 1
    assert math.log2(errors[0] / errors[1]) > solver.global_order + 0.7, errors


def test_three_runs_have_two_orders_more() -> None:
    schedule, x = VP(), start_of(VP(), 1.0)
    wanted = truth(schedule, x, 1.0, 1e-2)
    errors = [
        (solvers.extrapolated(Exact(schedule), x, wb.grids.log_snr(schedule, n, 1.0, 1e-2), solvers.DDIM(), levels=3).x - wanted)
        .abs()
        .max()
        .item()
        for n in (80, 160)
    ]
    assert math.log2(errors[0] / errors[1]) > 2.7, errors


def test_both_ends_are_taken_once() -> None:
    schedule = Cosine()
    model = Exact(schedule, T1)
    grid = wb.grids.log_snr(schedule, 6, 1.0, 0.0)  # one step from alpha = 0, four, one to t = 0
    run = solvers.extrapolated(model, X, grid, solvers.DDIM())
    begun = wb.solve(model, X, grid[:2], solvers.DDIM()).x
    fine, coarse = (wb.solve(model, begun, grid[1:-1][::k], solvers.DDIM()).x for k in (1, 2))
    torch.testing.assert_close(run.x, model.data(2 * fine - coarse, grid[-2].item()), rtol=0, atol=1e-12)
    torch.testing.assert_close(run.plain, fine, rtol=0, atol=1e-12)
    assert run.evaluations == 1 + 4 + (2 - 1) + 1 and run.grid.tolist() == grid.tolist()


def test_what_cannot_be_extrapolated() -> None:
    model, grid = Exact(VP()), wb.grids.log_snr(VP(), 6, 1.0, 1e-2)
    with pytest.raises(ValueError, match="draws noise"):
        solvers.extrapolated(model, X, grid, solvers.DDIM(eta=1.0))
    with pytest.raises(ValueError, match="that 4 divides, got 6"):
        solvers.extrapolated(model, X, grid, solvers.DDIM(), levels=3)
    with pytest.raises(ValueError, match="that 2 divides, got 5"):
        solvers.extrapolated(model, X, wb.grids.log_snr(VP(), 6, 1.0, 0.0), solvers.DDIM())
    with pytest.raises(ValueError, match="levels is the number"):
        solvers.extrapolated(model, X, grid, solvers.DDIM(), levels=1)


def test_a_weight_by_hand() -> None:
    """Two steps of DDIM: alpha_s (h - 1 + e^-h) is what holding the data still misses for each unit of slope."""
    schedule, times = VP(), uneven().tolist()[:3]
    rows = solvers.Richardson(solvers.DDIM()).plan(schedule, torch.tensor(times, dtype=torch.float64))
    carried = [solvers.DDIM().weights(schedule, t, s).x for t, s in ((times[0], times[1]), (times[1], times[2]))]
    lam = [schedule.log_snr(t) for t in times]
    miss = [schedule.alpha(s) * (b - a - 1 + math.exp(a - b)) for (a, b, s) in ((*lam[:2], times[1]), (*lam[1:], times[2]))]
    long = schedule.alpha(times[2]) * (lam[2] - lam[0] - 1 + math.exp(lam[0] - lam[2]))
    fine = carried[1] * miss[0] + miss[1]
    assert rows[1].weight == pytest.approx(fine / (long - fine), rel=1e-12)
    assert moment_weight(schedule, "data", [row.fine for row in rows], rows[1].coarse, times[1::-1], times[:1]) == rows[1].weight
