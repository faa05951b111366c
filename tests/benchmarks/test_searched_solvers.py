"""The recorded search for solvers: what is kept of it, its command line, and that the shipped solvers are what they are said to be."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import searched_solvers as bench
from workbench.search.solving import SolverJudge

SETTINGS = bench.DEFAULTS | {"generations": 2, "offspring": 4, "judged": 3}
VP = wb.schedules.VP()


def law(width: float) -> wb.gaussian.GaussianDenoiser:
    """A law of tiny pictures."""
    return wb.gaussian.GaussianDenoiser(torch.zeros(3, 2, 2), wb.gaussian.Diagonal(torch.linspace(0.1, width, 12)), VP)


@pytest.fixture(scope="module")
def rows():
    network, other = law(0.8), law(0.5)
    patch = pytest.MonkeyPatch()
    patch.setattr(
        bench, "starts", lambda schedule, count, key: schedule.prior((count, 3, 2, 2), 1.0, generator=bench.generator_of(1, key))
    )
    nine = VP.prior((9, 3, 2, 2), 1.0, generator=torch.Generator().manual_seed(1))
    found = bench.compare(network, other, nine, network.flow(nine, 1.0, 0.0), (4, 5), SETTINGS)
    patch.undo()
    return network, nine, found


def test_every_row_is_a_solver_with_the_errors_it_states(rows):
    network, nine, found = rows
    assert [(row["budget"], row["law"]) for row in found] == [(n, name) for n in (4, 5) for name in ("network", "gaussian")]
    for row in found:
        space = wb.search.SolverSpace(VP, row["budget"], VP.t_first, 0.0)
        solver, grid = space.decode((tuple(row["places"]), tuple(map(tuple, row["steps"]))))
        judge = SolverJudge(network, nine, network.flow(nine, 1.0, 0.0), row["budget"])
        assert judge(solver, grid) == pytest.approx(row["nine"], rel=1e-3)
        assert row["searched"] <= row["begin_searched"] and row["paid"] > 0
    assert "places" not in bench.shown(found[0])


def test_the_command_line(monkeypatch, tmp_path, rows):
    got, path = {}, tmp_path / "out.json"
    for name in ("network", "nine", "nine_pictures"):
        monkeypatch.setattr(wb.characters, name, lambda schedule: None)
    monkeypatch.setattr(wb.characters, "cifar10", lambda schedule, rank: None)
    monkeypatch.setattr(bench, "compare", lambda *told: got.update(told=told) or rows[2])
    monkeypatch.setattr(bench, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    monkeypatch.setattr(sys, "argv", ["searched_solvers", "--budgets", "4", "--judged", "3", "--json", str(path), "--artifact"])
    bench.main()
    assert got["name"] == "searched-solvers" and "--budgets 4 " in got["command"] and "--judged 3" in got["command"]
    assert got["told"][4] == (4,) and got["told"][5] == bench.DEFAULTS | {"judged": 3}
    assert json.loads(path.read_text())["rows"] == got["facts"]["rows"]


def test_the_shipped_solvers_can_be_run_and_are_of_the_shipped_network():
    kept = wb.artifacts.load("searched-solvers")
    assert kept["network_sha256"] == wb.artifacts.describe("cifar10-denoiser")["sha256"]
    for row in kept["rows"]:
        space = wb.search.SolverSpace(VP, row["budget"], VP.t_first, 0.0)
        solver, grid = space.decode((tuple(row["places"]), tuple(map(tuple, row["steps"]))))
        assert solver.evaluations_on(VP, grid) == row["budget"]
        if row["law"] == "network":
            assert row["nine"] < row["begin_nine"]
