"""A table of numbers is the method it was read from, on its grid and nowhere else."""

import pytest
import torch
from helpers import SCHEDULES, SHIFTED, Mixture, label

import workbench as wb
from workbench import solvers
from workbench.schedules import VP, Rectified
from workbench.solvers import DCSolver, Tabulated, UniPC
from workbench.solvers.multistep import Multistep, Weights

MULTISTEP = [s for s in solvers.ALL if isinstance(s, Multistep) and not s.stochastic and s.evaluations(5) == 5]
X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)


@pytest.mark.parametrize("solver", [*MULTISTEP, DCSolver((1.0, 0.7, 1.4, 0.2, 1.1), through=2)], ids=label)
def test_the_table_is_the_method(solver) -> None:
    for schedule in SCHEDULES:
        for stop in (0.0, None):
            grid = wb.grids.karras(schedule, 6 if stop == 0 else 5, stop=stop)
            model, x = Mixture(schedule, SHIFTED), schedule.sigma(schedule.t_first) * X
            table = Tabulated.of(solver, schedule, grid)
            assert len(table.rows) == 5 and table == Tabulated.of(solver, schedule, grid) and hash(table)
            wanted = wb.solve(model, x, grid, solver).x
            torch.testing.assert_close(wb.solve(model, x, grid, table).x, wanted, rtol=1e-9, atol=1e-10)


def test_a_start_without_signal() -> None:
    grid = wb.grids.log_snr(Rectified(), 5, 1.0, 0.0)
    table, model = Tabulated.of(UniPC(2), Rectified(), grid), Mixture(Rectified(), SHIFTED)
    assert table.times == tuple(grid.tolist()[1:-1])
    assert torch.equal(wb.solve(model, X, grid, table).x, wb.solve(model, X, grid, UniPC(2)).x)


def test_what_is_kept_is_written_out() -> None:
    """The third answer of a compensated run holds the first for good: the last row is full, UniPC's is not."""
    grid = wb.grids.log_snr(VP(), 6)
    lengths = lambda solver: [len(row.past) for row in Tabulated.of(solver, VP(), grid).rows]  # noqa: E731
    assert lengths(UniPC(2)) == [1, 2, 3, 3, 3, 3]
    assert lengths(DCSolver((1.0, 1.0, 0.8, 0.8, 0.8, 0.8))) == [1, 2, 3, 4, 5, 6]


def test_another_grid_is_refused() -> None:
    table = Tabulated.of(UniPC(2), VP(), wb.grids.log_snr(VP(), 5))
    for grid in (wb.grids.log_snr(VP(), 6), wb.grids.karras(VP(), 5), wb.grids.log_snr(VP(), 5, stop=0.0)):
        with pytest.raises(ValueError, match="the table holds for the planned times"):
            wb.solve(Mixture(VP(), SHIFTED), X, grid, table)


@pytest.mark.parametrize(
    ("times", "rows", "says"),
    [
        ((0.5, 0.2), (), "one row for each step"),
        ((0.5, 0.2), (Weights(0.4, 1.0, (0.1,)),), "where the step starts"),
        ((0.5, 0.2), (Weights(0.5, 1.0, (0.1, 0.2)),), "1 to 1 finite weights"),
        ((0.5, 0.2), (Weights(0.5, float("inf"), (0.1,)),), "finite weights"),
        ((0.5, 0.2), (Weights(0.5, 1.0, (0.1,), 0.3),), "no noise"),
    ],
)
def test_bad_tables(times, rows, says) -> None:
    with pytest.raises(ValueError, match=says):
        Tabulated(times, rows)


def test_only_deterministic_multistep_methods_have_one() -> None:
    for solver in (solvers.PNDM(), solvers.SASolver(tau=0.5)):
        with pytest.raises(TypeError, match="one evaluation a step and no noise"):
            Tabulated.of(solver, VP(), wb.grids.log_snr(VP(), 4))
    with pytest.raises(ValueError, match="no step to plan"):
        Tabulated.of(UniPC(2), VP(), torch.tensor([0.5, 0.0], dtype=torch.float64))
