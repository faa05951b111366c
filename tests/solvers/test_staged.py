"""A method with stages takes the same step whichever face the model predicts, and asks for no other."""

import pytest
import torch

import workbench as wb
from tests.helpers import T1, Exact, Mixture, label, name
from workbench import solvers
from workbench.solvers.staged import NativeRows, Rows, Stage, Staged, combine, converted

STAGED = [solver for solver in solvers.ALL if isinstance(solver, Staged)]
SCHEDULES = [wb.schedules.VP(), wb.schedules.VE(), wb.schedules.Rectified()]


class Asked(Mixture):
    """Writes down which faces are asked; the others are converted from the native one."""

    def __init__(self, schedule, predicts) -> None:
        super().__init__(schedule, T1, predicts)
        self.faces = []

    def face(self, target, x, t):
        self.faces.append(target)
        return super().face(target, x, t)


@pytest.mark.parametrize("predicts", ["data", "noise", "velocity", "score"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
@pytest.mark.parametrize("solver", STAGED, ids=label)
def test_the_native_face_gives_the_same_run(solver, schedule, predicts) -> None:
    grid = wb.grids.karras(schedule, 5)
    x = schedule.prior((3, 2), grid[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = Asked(schedule, predicts)
    ends = [
        wb.solve(law, x, grid, solver, generator=torch.Generator().manual_seed(1))
        for law in (model, Exact(schedule, T1, solver.face))
    ]
    torch.testing.assert_close(ends[0].x, ends[1].x, rtol=1e-8, atol=1e-8 * x.abs().max().item())
    assert set(model.faces) == {predicts} and ends[0].evaluations == ends[1].evaluations == len(model.faces)


def test_a_model_that_predicts_v_is_asked_for_the_methods_face() -> None:
    model = Asked(wb.schedules.VP(), "v")
    wb.solve(model, torch.ones(1, 1, dtype=torch.float64), [0.9, 0.5], solvers.Heun())
    assert model.faces == ["noise", "noise"]


def test_rows_are_kept_where_a_conversion_divides_by_zero() -> None:
    schedule = wb.schedules.Rectified()
    row = Rows(1.0, 0.0, (Stage(0.5, 1.0, ()), Stage(0.0, 1.0, (-0.5,))), Stage(0.0, 1.0, (-0.25, -0.25)))
    assert converted(row, schedule, "data", "velocity") is row
    inner = row._replace(stages=(Stage(0.5, 1.0, ()), Stage(0.1, 1.0, (-0.4,))))
    assert isinstance(converted(inner, schedule, "data", "velocity"), NativeRows)


def test_combine_leaves_the_state_alone() -> None:
    x, answer = torch.ones(2, 2), torch.full((2, 2), 3.0)
    for stage, value in ((Stage(0.0, 1.0, (2.0,)), 7.0), (Stage(0.0, 0.5, (2.0,)), 6.5), (Stage(0.0, 1.0, (0.0,)), 1.0)):
        assert torch.equal(combine(x, stage, [answer]), torch.full((2, 2), value))
        assert torch.equal(x, torch.ones(2, 2)) and torch.equal(answer, torch.full((2, 2), 3.0))
