"""The recorded search at toy size: rows that are what they say, and are measured once."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import searched_grids as bench
from benchmarks.kept import Kept

SETTINGS = {"pictures": 2, "held": 3, "candidates": 12, "generations": 2, "law_generations": 3}
WAYS = ("usual", "law", "path", "searched")
VP = wb.schedules.VP()


class Hidden(wb.Denoiser):
    """A law that can only be asked."""

    predicts, schedule = "data", VP

    def __init__(self, law):
        self.law, self.asked = law, 0

    def predict(self, x, t):
        self.asked += len(x)
        return self.law.data(x, t)


@pytest.fixture(scope="module")
def law():
    return wb.gaussian.GaussianDenoiser(torch.zeros(3, 2, 2), torch.linspace(0.1, 2, 12).double(), VP)


def test_every_row_is_what_it_says_and_is_kept(law, tmp_path):
    model, kept = Hidden(law), Kept(tmp_path)
    facts = bench.measure(model, law, SETTINGS, kept, (4,), bench.SOLVERS[1:])
    assert [(row["solver"], row["evaluations"]) for row in facts["rows"]] == [("UniPC(order=2)", 4), ("DPMSolverPP2M()", 4)]
    for row, solver in zip(facts["rows"], bench.SOLVERS[1:], strict=True):
        for key, first, count in (("seen", 100, 2), ("held", 200, 3)):
            x = bench.noise(model, law, first, count)
            truth = wb.solve(model, x, wb.grids.karras(VP, 12, stop=0.0), wb.solvers.UniPC()).x
            for way in WAYS:
                assert len(row[way]["times"]) == 5
                end = wb.solve(model, x, row[way]["times"], solver).x
                assert row[way][key] == pytest.approx(wb.metrics.relative_error(end, truth), rel=1e-3)
        assert row["searched"]["seen"] <= min(row[way]["seen"] for way in WAYS) * (1 + 1e-4)
        assert row["began"] in WAYS[:3] and row["history"][-1] == row["searched"]["seen"]
        assert row["paid"] > 2 * 4 * 10
    before = model.asked
    again = bench.measure(model, law, SETTINGS, kept, (4,), bench.SOLVERS[1:])
    assert again == facts and model.asked - before == 12 * 5, "only the teachers ran again"


def test_the_command_line(monkeypatch, tmp_path):
    got, path, row = {}, tmp_path / "out.json", {way: {"held": 0.5} for way in WAYS}
    row |= {"solver": "UniPC()", "evaluations": 5, "began": "law", "paid": 3}
    monkeypatch.setattr(wb.characters, "network", lambda schedule: None)
    monkeypatch.setattr(wb.characters, "cifar10", lambda schedule: None)
    monkeypatch.setattr(
        bench, "measure", lambda model, law, settings, kept, budgets: {"rows": [row], "asked": [settings, list(budgets)]}
    )
    monkeypatch.setattr(bench, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    words = ["searched_grids", "--budgets", "5", "--held", "7", "--kept", str(tmp_path), "--json", str(path), "--artifact"]
    monkeypatch.setattr(sys, "argv", words)
    bench.main()
    assert got["name"] == "searched-grids" and "--budgets 5 " in got["command"] and "--held 7" in got["command"]
    assert got["facts"]["asked"] == [bench.DEFAULTS | {"held": 7}, [5]]
    assert json.loads(path.read_text())["network_sha256"] == wb.artifacts.describe("cifar10-denoiser")["sha256"]


def test_the_published_grids_can_be_used():
    kept = wb.artifacts.load("searched-grids")
    assert kept["network_sha256"] == wb.artifacts.describe("cifar10-denoiser")["sha256"]
    assert {row["evaluations"] for row in kept["rows"]} >= {5, 10}
    for row in kept["rows"]:
        for way in WAYS:
            times = row[way]["times"]
            assert len(times) == row["evaluations"] + 1 and (times[0], times[-1]) == (1.0, 0.0)
            assert times == sorted(times, reverse=True) and row[way]["held"] > 0
        assert row["searched"]["seen"] <= row["usual"]["seen"] * (1 + 1e-4)
