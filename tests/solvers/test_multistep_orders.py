"""The order of every multistep formula by itself: the first answers come from the exact flow, so no lower-order start hides it."""

import math

import pytest
import torch
from helpers import Exact, label, name
from mixture_flow import SPANS, start_of, truth

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, DiscreteVP, Rectified
from workbench.solvers.multistep import Multistep

MULTISTEP = [s for s in solvers.ALL if isinstance(s, Multistep) and not s.stochastic]
SMOOTH = [span for span in SPANS if isinstance(span[0], VP | VE | Rectified)]  # the other two are variance preserving, as VP is


def from_exact_past(model, flow, x: torch.Tensor, grid, solver) -> torch.Tensor:
    """Take all steps, but put the state back on the exact flow as long as the method is still collecting its past."""
    memory = None
    for i, (row, s) in enumerate(zip(solver.plan(model.schedule, grid), grid.tolist()[1:], strict=True)):
        x, memory = solver.step(model, x, row, memory, None)
        x = flow(s) if i < solver.points - 1 else x
    return x


def slope(solver, schedule, begin, wanted, start: float, stop: float, steps=(160, 320)) -> float:
    errors = []
    for n in steps:
        grid = wb.grids.log_snr(schedule, n, max(start, stop), min(start, stop))
        grid = grid if start > stop else grid.flip(0)
        got = from_exact_past(Exact(schedule), lambda s: truth(schedule, begin, start, s), begin, grid, solver)
        errors.append((got - wanted).abs().max().item())
    return math.log2(errors[0] / errors[1])


@pytest.mark.parametrize(("schedule", "noisy", "clean"), SMOOTH, ids=[name(span[0]) for span in SMOOTH])
@pytest.mark.parametrize("solver", MULTISTEP, ids=label)
def test_order_from_an_exact_past(solver, schedule, noisy, clean) -> None:
    """Down, and up again (inversion), each against an independent integrator."""
    top = start_of(schedule, noisy)
    bottom = truth(schedule, top, noisy, clean)
    order = solver.global_order
    assert slope(solver, schedule, top, bottom, noisy, clean) == pytest.approx(order, abs=0.15)
    assert slope(solver, schedule, bottom, top, clean, noisy) == pytest.approx(order, abs=0.15)


def test_kinks_in_t_cost_the_order() -> None:
    """Log alpha is linear between levels: once a step crosses few of them, polynomials in t see the kinks; in lambda they never do."""
    schedule, noisy, clean = DiscreteVP.linear(50, 0.002, 0.4), 1.0, 2e-2
    top = start_of(schedule, noisy)
    bottom = truth(schedule, top, noisy, clean)
    found = {
        variable: slope(solvers.DEIS(4, variable), schedule, top, bottom, noisy, clean, (80, 320)) / 2
        for variable in ("t", "log_rho")
    }
    assert found["t"] < 2 and found["log_rho"] > 3.7, found
