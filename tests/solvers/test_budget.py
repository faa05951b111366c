"""The longest grid for a budget: one more step would cost too much."""

import itertools

import pytest

import workbench as wb
from tests.helpers import label, name
from workbench import solvers


@pytest.mark.parametrize("stop", [0.0, None], ids=["to 0", "to t_last"])
@pytest.mark.parametrize("schedule", [wb.schedules.VP(), wb.schedules.Rectified()], ids=name)
@pytest.mark.parametrize("solver", solvers.ALL, ids=label)
def test_no_longer_grid_fits(solver, schedule, stop) -> None:
    for budget in (1, 2, 5, 10, 21):
        grid = solvers.grid_within(budget, solver, schedule, wb.grids.uniform, stop=stop)
        if grid is None:
            assert solver.evaluations_on(schedule, wb.grids.uniform(schedule, 1, stop=stop)) > budget
            continue
        assert solver.evaluations_on(schedule, grid) <= budget
        assert solver.evaluations_on(schedule, wb.grids.uniform(schedule, len(grid), stop=stop)) > budget
        assert grid.tolist() == wb.grids.uniform(schedule, len(grid) - 1, stop=stop).tolist()


def test_one_evaluation_a_step_uses_the_whole_budget() -> None:
    for budget, stop in itertools.product((1, 7), (0.0, None)):
        assert len(solvers.grid_within(budget, solvers.DDIM(), wb.schedules.VP(), wb.grids.karras, stop=stop)) == budget + 1


@pytest.mark.parametrize("budget", [0, -1, True])
def test_what_is_no_budget_is_refused(budget) -> None:
    with pytest.raises(ValueError, match="budget must be a number of evaluations"):
        solvers.grid_within(budget, solvers.DDIM(), wb.schedules.VP(), wb.grids.uniform)
