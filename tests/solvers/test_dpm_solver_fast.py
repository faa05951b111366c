"""Every budget is spent to the last evaluation."""

import pytest
import torch
from helpers import SHIFTED, SINGULAR_START, VP, Mixture, name
from schedulers import drive, scheduler

import workbench as wb
from workbench import solvers
from workbench.solvers import DPMSolver, DPMSolverFast

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)


@pytest.mark.parametrize("budget", range(1, 31))
def test_the_budget_is_spent(budget) -> None:
    model = Mixture(VP(), SHIFTED)
    for to_zero in (False, True):
        solver, steps = DPMSolverFast.for_budget(budget, to_zero=to_zero, face="data")
        run = wb.solve(model, X, wb.grids.log_snr(VP(), steps, stop=0.0 if to_zero else None), solver)
        assert run.evaluations == budget == solver.evaluations(steps, to_zero=to_zero) and bool(run.x.isfinite().all())
        assert steps == (budget - to_zero) // 3 + (1 + to_zero if budget > to_zero else 1)
    orders = DPMSolverFast(budget % 3).orders(budget // 3 + 1)
    assert sum(orders) == budget and all(order == 3 for order in orders[:-2])


def test_the_orders_of_the_paper() -> None:
    wanted = {
        1: (1,),
        2: (2,),
        3: (2, 1),
        4: (3, 1),
        5: (3, 2),
        6: (3, 2, 1),
        10: (3, 3, 3, 1),
        12: (3, 3, 3, 2, 1),
        20: (3,) * 6 + (2,),
    }
    for budget, orders in wanted.items():
        solver, steps = DPMSolverFast.for_budget(budget)
        assert solver.orders(steps) == orders
    assert DPMSolverFast(0).orders(1) == (1,) and DPMSolverFast(2).orders(0) == ()
    assert [DPMSolverFast(k).global_order for k in (0, 1, 2)] == [2, 2, 3]


@pytest.mark.parametrize("face", ["noise", "data"])
def test_each_step_is_dpm_solver_of_its_order(face) -> None:
    model, solver = Mixture(VP(), SHIFTED), DPMSolverFast(0, face, "taylor")
    grid, x = wb.grids.karras(VP(), 4), X
    for order, t, s in zip(solver.orders(4), grid.tolist(), grid[1:].tolist(), strict=False):
        x = wb.solve(model, x, [t, s], DPMSolver(order, face, "taylor")).x
    torch.testing.assert_close(wb.solve(model, X, grid, solver).x, x, rtol=0, atol=0)


@pytest.mark.parametrize("budget", [4, 7, 8])
def test_as_diffusers_has_it(budget) -> None:
    """Its grid lists inner points, equal in lambda; ours takes the outer ones of those."""
    model, fine = Mixture(VP(), SHIFTED), wb.grids.log_snr(VP(), budget, stop=0.01)
    theirs = scheduler(
        "DPMSolverSinglestep", solver_order=3, solver_type="heun", final_sigmas_type="sigma_min", lower_order_final=True
    )
    solver, steps = DPMSolverFast.for_budget(budget, face="data", correction="taylor")
    outer = [fine[sum(solver.orders(steps)[:i])].item() for i in range(steps + 1)]
    torch.testing.assert_close(wb.solve(model, X, outer, solver).x, drive(theirs, model, X, fine), rtol=0, atol=3e-6)


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
def test_singular_ends_are_counted(schedule) -> None:
    grid = wb.grids.log_snr(schedule, 5, 1.0, 0.0)
    for remainder in (0, 1, 2):
        solver = DPMSolverFast(remainder)
        run = wb.solve(Mixture(schedule, SHIFTED), X, grid, solver)
        assert run.evaluations == solver.evaluations_on(schedule, grid) == 2 + sum(solver.orders(3))


def test_messages() -> None:
    for make, message in (
        (lambda: DPMSolverFast(3), "remainder"),
        (lambda: DPMSolverFast(True), "modulo 3"),
        (lambda: DPMSolverFast(face="v"), "face"),
        (lambda: DPMSolverFast(correction="heun"), "correction"),
        (lambda: DPMSolverFast.for_budget(0), "at least 1"),
        (lambda: DPMSolverFast.for_budget(2.0), "budget"),
        (lambda: DPMSolverFast.for_budget(True), "at least 1"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
    assert solvers.DPMSolverFast() in solvers.ALL
