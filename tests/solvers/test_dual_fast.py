"""DualFast as told second-hand: the formula written out, and what we measured about it."""

import functools
import itertools
import math

import pytest
import torch
from helpers import SCHEDULES, SHIFTED, Exact, Mixture, levels, name

import workbench as wb
from workbench import solvers
from workbench.schedules import VP
from workbench.solvers import DDIM, IPNDM, DualFast

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


@every
@pytest.mark.parametrize("predicts", ["data", "noise"])
def test_a_half_with_the_step_before_is_ipndm_2(schedule, predicts) -> None:
    model, grid = Mixture(schedule, SHIFTED, predicts), wb.grids.karras(schedule, 7)
    half, adams = (wb.solve(model, X, grid, s).x for s in (DualFast(c=0.5, growth="constant"), IPNDM(order=2)))
    torch.testing.assert_close(half, adams, rtol=1e-10, atol=1e-10)


@every
@pytest.mark.parametrize("tau", ["previous", "first"])
@pytest.mark.parametrize("growth", ["linear", "constant"])
def test_written_out_around_ddim(schedule, tau, growth) -> None:
    model, grid, c = Mixture(schedule, SHIFTED), wb.grids.karras(schedule, 6), 0.4
    x, seen, times = X, [], grid.tolist()
    for t, s in itertools.pairwise(times):
        e = model.answer("noise", x, t)
        older = seen[0 if tau == "first" else -1] if seen else e
        seen.append(e)
        c_t = c if growth == "constant" else c * (times[0] - t) / (times[0] - times[-1])
        e = (1 + c_t) * e - c_t * older
        (a, b), (up, low) = levels(schedule, t), levels(schedule, s)
        x = up * (x - b * e) / a + low * e
    got = wb.solve(model, X, grid, DualFast(c=c, tau=tau, growth=growth)).x
    torch.testing.assert_close(got, x, rtol=1e-9, atol=1e-9)


@functools.cache
def truth() -> torch.Tensor:
    return solvers.reference(Exact(VP()), X[:1] * 0.9, 1.0, 1e-2, rtol=1e-9, atol=1e-11).x


def errors_of(solver, counts) -> list[float]:
    model, x, exact = Exact(VP()), X[:1] * 0.9, truth()
    return [(wb.solve(model, x, wb.grids.log_snr(VP(), n, 1.0, 1e-2), solver).x - exact).abs().max().item() for n in counts]


def test_orders_of_a_constant_c() -> None:
    """0.3 is of order 1 with 1 - 2 c of DDIM's error; 1/2 is of order 2."""
    ddim = errors_of(DDIM(), (80, 160))
    for c in (0.3,):
        found = errors_of(DualFast(c=c, growth="constant"), (80, 160))
        assert math.log2(found[0] / found[1]) == pytest.approx(1, abs=0.06)
        assert found[1] / ddim[1] == pytest.approx(1 - 2 * c, abs=0.03)
    half = errors_of(DualFast(c=0.5, growth="constant"), (80, 160))
    assert math.log2(half[0] / half[1]) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("growth", ["linear", "constant"])
def test_the_start_of_the_run_as_tau_does_not_converge(growth) -> None:
    lean = DualFast(c=0.1, tau="first", growth=growth)
    few, many, more = errors_of(lean, (20, 80, 160))
    assert more > 0.95 * many > 0.02 and lean.global_order == 0
    if growth == "constant":
        assert more > 2 * few  # from 3e-2 at 20 steps to 1e-1


def test_around_other_solvers() -> None:
    """The difference is added to the first-order term alone; several looks inside a step stay what they are, and are not counted twice."""
    model, grid = Mixture(VP(), SHIFTED), wb.grids.log_snr(VP(), 6, stop=0.0)
    for inner in (solvers.Heun(), solvers.DPMSolverPP2M(), solvers.UniPC(), solvers.PNDM(), solvers.Euler(variable="t")):
        plain = wb.solve(model, X, grid, inner)
        none, some = (wb.solve(model, X, grid, DualFast(inner, c)) for c in (0.0, 0.3))
        torch.testing.assert_close(none.x, plain.x, rtol=0, atol=1e-12)
        assert (some.x - plain.x).abs().max() > 1e-4 and some.evaluations == plain.evaluations == inner.evaluations(6)
        alone = torch.cat([wb.solve(model, x[None], grid, DualFast(inner, 0.3)).x for x in X])
        torch.testing.assert_close(some.x, alone, rtol=0, atol=1e-13)


def test_messages() -> None:
    for settings, message in (
        ({"solver": DDIM}, "works around a solver"),
        ({"solver": DDIM(eta=1.0)}, "draws noise"),
        ({"tau": "last"}, "'previous' or 'first'"),
        ({"growth": "fast"}, "'linear' or 'constant'"),
        ({"c": math.nan}, "finite number"),
    ):
        with pytest.raises((ValueError, TypeError), match=f"{message}|violates type hint"):
            DualFast(**settings)


def test_orders_stated() -> None:
    assert (
        DualFast().global_order
        == DualFast(c=0.5).global_order
        == DualFast(solvers.UniPC(), 0.5, growth="constant").global_order
        == 1
    )
    assert DualFast(c=0.5, growth="constant").global_order == 2 and DualFast(solvers.UniPC(), 0.0).global_order == 4
