"""The overhead benchmark: the bare loop does the operations of the run, draws can be made free, goals are judged."""

import pytest
import torch

import workbench as wb
from benchmarks import overhead

X = torch.ones(1, *overhead.SHAPE)
VP = wb.schedules.VP()


def operations(solver, face, steps=4):
    free = overhead.Free(VP, face, torch.zeros_like(X))
    with overhead.Operations() as seen:
        wb.solve(free, X, wb.grids.log_snr(VP, steps), solver, generator=torch.Generator().manual_seed(0))
    return seen.kinds


def test_operations_of_a_run_are_the_fewest_there_are():
    assert operations(wb.solvers.DDIM(), "data") == ["mul", "add_"] * 4
    assert operations(wb.solvers.DDIM(), "noise") == ["mul", "mul", "add_", "add_"] * 4  # one conversion a step
    assert operations(wb.solvers.DDPM(), "data") == ["mul", "add_", "draw", "add_"] * 4
    assert operations(wb.solvers.DPMSolverPP2M(), "data") == ["mul", "add_"] + ["mul", "add_", "add_"] * 3
    for face in ("data", "noise"):  # two stages without a conversion, whatever the model predicts
        assert operations(wb.solvers.Heun(), face) == ["mul", "add_", "mul", "add_", "add_"] * 4


def test_the_bare_loop_repeats_the_operations():
    kinds = ["mul", "add_", "draw", "add"] * 3
    rng = torch.Generator().manual_seed(0)
    before = rng.get_state().clone()
    run = overhead.bare(kinds, X, rng)
    with overhead.Operations() as seen:
        run()
    assert seen.kinds == kinds and not torch.equal(rng.get_state(), before)
    assert torch.equal(X, torch.ones_like(X))


def test_a_planned_solver_does_what_the_solver_does():
    grid, solver = wb.grids.log_snr(VP, 5), wb.solvers.Heun()
    law = wb.gaussian.GaussianDenoiser(torch.zeros(overhead.SHAPE), 1.0, VP)
    rows = solver.in_terms_of(law.predicts, solver.plan(VP, grid), VP)
    assert torch.equal(wb.solve(law, X, grid, overhead.Planned(solver, rows)).x, wb.solve(law, X, grid, solver).x)


def test_a_row_and_its_verdict():
    pytest.importorskip("diffusers")
    row = overhead.measure(wb.solvers.DDPM(), "data", 1, 3, 3, 1e-4)
    assert row["theirs"] == "DDPM" and row["steps us"] > 0 and row["theirs us"] > 0
    assert row["plan cold us"] > row["plan warm us"] > 0 and not row["not in bare"]
    assert row["operations"] == pytest.approx(8 / 3)  # two steps of four, and a finish without any


@pytest.mark.parametrize(
    ("solver", "batch", "to_bare", "to_theirs", "expected"),
    [
        (wb.solvers.DDIM(), 1, 1.5, 0.25, "met"),
        (wb.solvers.DDIM(), 1, 1.51, 0.26, "missed: bare, theirs"),
        (wb.solvers.Heun(), 1, 1.0, 0.5, "met"),
        (wb.solvers.DDIM(), 512, 1.0, 0.61, "missed: theirs"),
        (wb.solvers.Heun(), 512, 1.0, 0.6, "met"),
        (wb.solvers.DDIM(), 1, 1.0, None, "met"),
    ],
)
def test_verdicts(solver, batch, to_bare, to_theirs, expected):
    assert overhead.verdict(solver, batch, to_bare, to_theirs) == expected


def test_draws_can_be_free():
    with overhead.free_draws(wb.solvers.DDPM(), X):
        assert "draw" not in operations(wb.solvers.DDPM(), "data")
    assert "draw" in operations(wb.solvers.DDPM(), "data")


def test_interleaved_measures_time_and_ratio():
    def busy(n):
        return lambda: sum(range(n))

    took = overhead.interleaved({"a": busy(40_000), "b": busy(10_000)}, 5, 1e-3, ("a", "b"))
    assert 2 < took["ratio"] < 8 and took["a"] > took["b"] > 0
