"""Every member of ``solvers.ALL`` at every edge: no NaN, honest counts, plans of plain floats, times within the schedule."""

import itertools
import math

import pytest
import torch
from helpers import MEAN, SCHEDULES, SHIFTED, SINGULAR_START, Mixture, follows_velocity, label, name

import workbench as wb
from workbench import solvers
from workbench.schedules import Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
every_solver = pytest.mark.parametrize("solver", solvers.ALL, ids=label)


def network(schedule, predicts: str) -> wb.NetworkDenoiser:
    """A cheap bounded network that is no law of anything."""
    return wb.NetworkDenoiser(lambda x, t: torch.tanh(x).mul_(0.7), schedule, predicts=predicts)


STARTS = {solvers.PNDM: (3, 3), solvers.SPNDM: (1, 1)}  # how many planned steps at the start ask more often, and how much more


def expected_calls(solver, schedule, times) -> int:
    """By the contract: one call for a first step from alpha = 0 and for a last step to 0, else every stage of every step."""
    steps, calls = len(times) - 1, 0
    if not solver.regular_ends(schedule):
        if times[-1] == 0:
            steps, calls = steps - 1, calls + 1
        if steps and schedule.alpha(times[0]) == 0:
            steps, calls = steps - 1, calls + 1
    if isinstance(solver, solvers.DPMSolverFast):
        return calls + sum(([3] * steps + {0: [2, 1], 1: [1], 2: [2]}[solver.remainder])[-steps:] if steps else ())
    if isinstance(solver, solvers.Richardson):  # the step across a block shares the first of its stages
        calls += steps // solver.parts * (solver.evaluations_per_step - 1)
    first, more = STARTS.get(type(solver), (0, 0))
    return calls + steps * solver.evaluations_per_step + min(steps, first) * more


@every
@every_solver
def test_finite_everywhere_and_counted(solver, schedule) -> None:
    x = torch.tensor([[0.3, -1.7]], dtype=torch.float64)
    starts = (None, 1.0) if schedule in SINGULAR_START else (None,)
    for n, stop, start in itertools.product((1, 2, 3, 4, 5, 6, 7, 11), (0.0, None), starts):
        grid = wb.grids.log_snr(schedule, n, start, stop)
        for predicts in ("data", "noise", "velocity"):
            if (predicts == "noise" and start) or (n > 3 and predicts != "data"):
                continue  # more steps than any method has a start or a remainder; few of them for the other predictions
            model = network(schedule, predicts)
            generator = torch.Generator().manual_seed(0) if solver.stochastic else None
            run = wb.solve(model, schedule.sigma(grid[0].item()) * x, grid, solver, generator=generator)
            assert bool(run.x.isfinite().all()), (n, stop, start, predicts)
            assert run.evaluations == expected_calls(solver, schedule, grid.tolist())
            if start is None and not solver.regular_ends(schedule):
                assert run.evaluations == solver.evaluations(n, to_zero=stop == 0)


def test_counts_in_numbers() -> None:
    x, model = torch.ones(1, 2, dtype=torch.float64), network(wb.schedules.VE(), "data")
    grid = wb.grids.karras(model.schedule, 18, stop=0.0)
    wanted = {solvers.Heun(): 35, solvers.DDIM(): 18, solvers.Euler(): 18, solvers.Midpoint(): 35, solvers.RK4(): 69}
    for solver, calls in wanted.items():
        assert wb.solve(model, x, grid, solver).evaluations == calls == solver.evaluations(18)
    assert solvers.RK4().evaluations(18, to_zero=False) == 72


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
@every_solver
def test_a_noise_prediction_cannot_start_without_signal(solver, schedule) -> None:
    generator = torch.Generator().manual_seed(0) if solver.stochastic else None
    with pytest.raises(ValueError, match=r"start at schedule\.t_first"):
        wb.solve(network(schedule, "noise"), torch.ones(1, 2), [1.0, 0.5, 0.2], solver, generator=generator)


@every
@every_solver
def test_plans_are_plain_floats_and_pure(solver, schedule) -> None:
    """No tensors (they cost microseconds each), no memory of an earlier call, no time outside the step."""
    grid = wb.grids.karras(schedule, 6)
    plan = solver.plan(schedule, grid)
    assert len(plan) == 6 and plan == solver.plan(schedule, grid) and grid.tolist() == wb.grids.karras(schedule, 6).tolist()

    def leaves(entry):
        return [leaf for part in entry for leaf in leaves(part)] if isinstance(entry, tuple) else [entry]

    assert all(type(leaf) in (float, int) and math.isfinite(leaf) for row in plan for leaf in leaves(row))
    slack = 1.5 if getattr(solver, "churn", 0) else 1 + 1e-12
    for row, t, s in zip(plan, grid.tolist(), grid[1:].tolist(), strict=False):
        asked = [stage.t for stage in row.stages] if hasattr(row, "stages") else [row.t]
        assert all(s * (1 - 1e-12) <= time <= min(t * slack, schedule.t_max) for time in asked)
        assert asked[0] == t or slack > 1.1


@every_solver
def test_solvers_are_immutable_values(solver) -> None:
    with pytest.raises(AttributeError):
        solver.order = 7
    assert hash(solver) == hash(type(solver)(**vars(solver))) and solver == type(solver)(**vars(solver))
    assert (
        solver.order >= 1
        and solver.global_order >= (not isinstance(solver, solvers.DDCM))
        and solver.paper
        and solver.evaluations_per_step >= 1
    )
    assert len(set(solvers.ALL)) == len(solvers.ALL)


def test_regular_ends_belong_to_straight_lines_in_t() -> None:
    for solver, schedule in itertools.product(solvers.ALL, SCHEDULES):
        in_t = follows_velocity(solver)
        assert solver.regular_ends(schedule) == (in_t and isinstance(schedule, Rectified))
    run = wb.solve(Mixture(Rectified(), SHIFTED), torch.zeros(1, 1), [1.0, 0.0], solvers.Euler(variable="t"))
    assert run.x.item() == pytest.approx(MEAN) and run.evaluations == 1  # one Euler step to the mean of the data
