"""DC-Solver: UniPC where the ratios are 1, the published recipe where they are not, and exact wherever its answers are constant."""

from itertools import pairwise

import pytest
import torch
from helpers import POINT, SCHEDULES, SHIFTED, Exact, Mixture, levels, name
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.schedules import VE, VP
from workbench.solvers import DCSolver, UniPC

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
RATIOS = (1.0, 0.8, 1.3, 0.4, -0.2, 1.7, 1.0, 0.9)


def states(schedule):
    return schedule.sigma(schedule.t_first) * X


@every
@pytest.mark.parametrize("order", [1, 2, 3])
def test_ratios_of_one_are_unipc(schedule, order) -> None:
    model, x = Mixture(schedule, SHIFTED), states(schedule)
    for n, face in ((1, "data"), (2, "data"), (3, "noise"), (7, "data")):
        for stop in (None, 0.0):
            grid = wb.grids.log_snr(schedule, n, stop=stop)
            unipc = wb.solve(model, x, grid, UniPC(order=order, corrector_from=1, face=face)).x
            ones = (1.0,) * max(n - (stop == 0), 1)
            for ratios in (1.0, ones):
                assert torch.equal(wb.solve(model, x, grid, DCSolver(ratios, order, face=face)).x, unipc)


def recipe(model, x, grid, solver):
    """In the words of the paper: replace the newest answer in the buffer, predict, evaluate, correct with the answer as it came."""
    schedule, unipc, times, buffer, base = model.schedule, solver.unipc, grid.tolist(), [], x
    place = schedule.log_snr if solver.clock == "lambda" else lambda t: t
    move = lambda row, known: row.x * base + sum(w * m for w, m in zip(row.past, known, strict=False))  # noqa: E731
    for i, (t, s) in enumerate(pairwise(times)):
        seen, new = times[i::-1], model.data(x, t)
        if i > solver.corrector_from:
            x = move(unipc.corrected(schedule, seen[1:], t, min(solver.order + 1, i + 1)), [new, *buffer])
        buffer = [new, *buffer]
        nodes = [place(u) for u in seen[: solver.through]]
        if len(nodes) > 1:
            at = solver.ratios[i] * (nodes[0] - nodes[1]) + nodes[1]
            moved = 0
            for k, own in enumerate(nodes):
                factor = 1.0
                for j, other in enumerate(nodes):
                    factor *= 1 if j == k else (at - other) / (own - other)
                moved = moved + factor * buffer[k]
            buffer[0] = moved
        base = x
        x = move(unipc.weights(schedule, seen[: min(solver.order, i + 1)], s), buffer)
    return x


@every
@pytest.mark.parametrize(("through", "clock", "order"), [(3, "t", 2), (2, "t", 2), (4, "lambda", 3), (3, "lambda", 1)])
def test_the_published_recipe(schedule, through, clock, order) -> None:
    model, x, grid = Mixture(schedule, SHIFTED), states(schedule), wb.grids.karras(schedule, 8)
    solver = DCSolver(RATIOS, order, through, clock)
    run = wb.solve(model, x, grid, solver)
    torch.testing.assert_close(run.x, recipe(model, x, grid, solver), rtol=1e-9, atol=1e-11)
    assert (run.x - wb.solve(model, x, grid, DCSolver(1.0, order, through, clock)).x).abs().max() > 1e-3
    assert run.evaluations == 8


def test_what_is_kept() -> None:
    """rho = 0 keeps the answer before, rho = 2 on equal steps extrapolates, and the weights of any rho sum to 1."""
    schedule, seen = VP(), [0.4, 0.5, 0.6]
    assert DCSolver(through=2).kept(schedule, seen, 0.0) == pytest.approx((0.0, 1.0), abs=1e-14)
    assert DCSolver().kept(schedule, seen, 0.0) == pytest.approx((0.0, 1.0, 0.0), abs=1e-13)
    assert DCSolver().kept(schedule, seen, 2.0) == pytest.approx((3.0, -3.0, 1.0), rel=1e-12)
    assert DCSolver().kept(schedule, seen, 1.0) == DCSolver().kept(schedule, seen[:1], 0.3) == (1.0,)
    for clock in ("t", "lambda"):
        assert sum(DCSolver(clock=clock).kept(schedule, [0.4, 0.45, 0.7], 0.37)) == pytest.approx(1)


def test_what_is_kept_is_remembered() -> None:
    """With rho = 0 through two answers everything that is remembered is the first answer: DDIM with the model asked once."""
    schedule = VP()
    grid, model = wb.grids.log_snr(schedule, 5), Mixture(schedule, SHIFTED)
    frozen = DCSolver((1.0, 0.0, 0.0, 0.0, 0.0), through=2, corrector_from=9)
    first, a, b = model.data(X, 1.0), *levels(schedule, grid[-1].item())
    wanted = a * first + b * (X - levels(schedule, 1.0)[0] * first) / levels(schedule, 1.0)[1]
    torch.testing.assert_close(wb.solve(model, X, grid, frozen).x, wanted, rtol=1e-9, atol=1e-9)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.sampled_from((VP(), VE())), st.sampled_from((2, 3, 4)))
def test_a_point_is_reached_whatever_the_ratios(ratios, schedule, through) -> None:
    model, eps = Mixture(schedule, POINT), torch.tensor([[-1.3, 0.2]], dtype=torch.float64)
    (a, b), (c, d) = levels(schedule, 0.7), levels(schedule, 0.1)
    got = wb.solve(model, a * 0.7 + b * eps, wb.grids.log_snr(schedule, 6, 0.7, 0.1), DCSolver(tuple(ratios), through=through)).x
    torch.testing.assert_close(got, c * 0.7 + d * eps, rtol=0, atol=1e-9)


def test_the_same_ratio_everywhere_leaves_first_order() -> None:
    errors, model = [], Exact(VP())
    exact = wb.solvers.reference(model, X, 0.9, 0.1).x
    for n in (80, 160):
        errors.append((wb.solve(model, X, wb.grids.log_snr(VP(), n, 0.9, 0.1), DCSolver(0.7)).x - exact).abs().max().item())
    assert 1.7 < errors[0] / errors[1] < 2.4
    assert DCSolver(0.7).global_order == 1 and DCSolver().global_order == DCSolver((0.3, 1.0)).global_order == 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ratios": ()}, "finite numbers"),
        ({"ratios": (1.0, float("nan"))}, "finite numbers"),
        ({"ratios": True}, "finite numbers"),
        ({"through": 1}, "2, 3"),
        ({"through": 5}, "2, 3"),
        ({"order": 5}, "orders 1, 2, 3, 4"),
        ({"corrector_from": -1}, "corrector_from"),
        ({"final_order": 0}, "final_order"),
    ],
)
def test_bad_settings(settings, says) -> None:
    with pytest.raises(ValueError, match=says):
        DCSolver(**settings)


def test_ratios_belong_to_a_number_of_steps() -> None:
    solver, model = DCSolver((1.0, 1.0, 0.9)), Mixture(VP(), SHIFTED)
    wb.solve(model, X, wb.grids.log_snr(VP(), 3), solver)
    wb.solve(model, X, wb.grids.log_snr(VP(), 4, stop=0.0), solver)
    with pytest.raises(ValueError, match="3 ratios and the grid has 4 planned steps"):
        wb.solve(model, X, wb.grids.log_snr(VP(), 4), solver)
