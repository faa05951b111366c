"""The comparison of trainings in integers at toy size: arms share what they should, planting keeps sizes, the record has its form."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import integer_training as bench

SETTINGS = {
    "about": {"seeds": [0, 1], "width": 64, "judged": 50},
    "on_ring": {"batch": 16, "rate": 3e-3, "kept": [1, 2]},
    "on_pictures": {"batch": 2, "rate": 2e-3, "kept": [1]},
}


def test_planting_makes_channels_loud_and_their_readers_quiet():
    net, plain = (wb.nets.MLP(2, width=64, generator=bench.rng(0)) for _ in range(2))
    bench.planted(net, (3, 20))
    assert torch.equal(net.first.weight[[3, 20]], 30 * plain.first.weight[[3, 20]])
    assert torch.equal(net.first.weight[4:20], plain.first.weight[4:20])
    torch.testing.assert_close(net.hidden[0].weight[4, 3], plain.hidden[0].weight[4, 3] / 30)
    torch.testing.assert_close(net.hidden[0].weight[20, 3], plain.hidden[0].weight[20, 3])
    tiles = {where: {channel // 32 for channel in loud} for where, loud in bench.LOUD.items()}
    assert tiles == {"none": set(), "in one tile": {0}, "in every tile": {0, 1}}


def test_the_exact_flow_has_no_error_and_an_untrained_one_all_of_it():
    judged = bench.points(200)
    assert bench.judge(wb.characters.ring(bench.RF), judged) < 1e-9
    net = wb.nets.MLP(2, width=16, generator=bench.rng(0))
    assert bench.judge(bench.form("float32", net, (), 0), judged) == 1


@pytest.mark.parametrize("arm", bench.ARMS)
def test_arms_are_what_they_say(arm):
    net, (x, t, _) = wb.nets.MLP(2, width=64, generator=bench.rng(0)), bench.points(32)
    flow = bench.form(arm, net, (x, t.float()), 0).net
    if arm.startswith("INT4"):
        assert flow.hidden[0].size == (1 if arm.endswith("rotation") else 64)
    elif arm.startswith("INT8"):
        assert flow.flow.side == (None if arm.endswith("step") else 32)
    else:
        assert flow is net


def test_the_record_and_the_command_line(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "LOUD", {"in one tile": bench.LOUD["in one tile"]})
    facts = bench.compare(SETTINGS)
    assert list(facts["ring"]["in one tile"]) == ["float32", "INT8 tiles", "INT8 one step"]
    assert all(len(curves) == 2 and len(curves[0]) == 2 for curves in facts["ring"]["in one tile"].values())
    assert set(facts["pictures"]) == {"float32", "INT4", "INT8 tiles"}
    assert len(bench.rows(facts)) == 6
    got, path = {}, tmp_path / "out.json"
    monkeypatch.setattr(bench, "compare", lambda settings: facts | {"asked": settings})
    monkeypatch.setattr(bench, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    monkeypatch.setattr(sys, "argv", ["integer_training", "--seeds", "2", "--steps", "20", "--json", str(path), "--artifact"])
    bench.main()
    assert got["facts"]["asked"]["on_ring"]["kept"] == list(range(2, 21, 2))
    assert got["name"] == "integer-training" and "--seeds 2 --steps 20 --width 64" in got["command"]
    assert json.loads(path.read_text())["name"] == "integer_training"


def test_the_published_numbers_have_the_form_that_the_chapter_reads():
    kept = wb.artifacts.load("integer-training")
    assert len(kept["about"]["seeds"]) >= 3
    assert list(kept["ring"]) == list(bench.LOUD) and list(kept["ring"]["none"]) == list(bench.ARMS)
    for arms in (*kept["ring"].values(), kept["pictures"]):
        assert all(len(curves) == len(kept["about"]["seeds"]) for curves in arms.values())
