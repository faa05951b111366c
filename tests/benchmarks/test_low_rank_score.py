"""The benchmark compares methods that agree, and its report holds what it prints."""

import json

import torch

import workbench as wb
from benchmarks import low_rank_score
from benchmarks.record import report, seconds, table


def test_the_methods_give_the_same_score(monkeypatch):
    monkeypatch.setattr(low_rank_score, "DIM", 48)
    x = torch.randn(3, 48, generator=torch.Generator().manual_seed(0))
    scores = {method: low_rank_score.score(method, wb.schedules.VE())(x, 0.7) for method in ("solve", "full", "rank 48", "rank 40")}
    for method in ("full", "rank 48"):
        torch.testing.assert_close(scores[method], scores["solve"], rtol=1e-4, atol=1e-5)
    gap = (scores["rank 40"] - scores["solve"]).norm() / scores["solve"].norm()
    assert 0 < gap < 0.2  # eight small eigenvalues were replaced by their average


def test_cosines_are_orthonormal(monkeypatch):
    monkeypatch.setattr(low_rank_score, "DIM", 48)
    basis = low_rank_score.cosines(20)
    assert (basis.T @ basis - torch.eye(20, dtype=torch.float64)).abs().max() < 1e-13


def test_report(tmp_path, capsys):
    rows = [{"method": "a", "ms": 1.23456}, {"method": "longer", "ms": 2.0}]
    path = tmp_path / "record.json"
    report("name", rows, str(path), seed=3)
    record = json.loads(path.read_text())
    assert record["rows"] == rows
    assert record["seed"] == 3
    assert record["hardware"]["torch"] == torch.__version__
    assert record["commit"]
    assert table(rows) in capsys.readouterr().out
    assert [len(line) for line in table(rows).splitlines()] == [len("longer") + 2 + len("1.23")] * 3


def test_seconds_measures_time():
    import time

    assert 0.01 <= seconds(lambda: time.sleep(0.01), repeats=3) < 0.1
