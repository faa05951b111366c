"""The comparison of optimizers at toy size: what is shared is shared, a death is recorded, and the record has its form."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import optimizer as bench

SETTINGS = {"seeds": [0, 1], "steps": 12, "width": 64, "judged": 256}


def few(names, variants):
    return {name: variants[name] for name in names}


@pytest.fixture(scope="module")
def facts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "ADAMW", few([bench.BASE, "4 bits: rank one, evenly spaced", "m in 4 bits, v factored"], bench.ADAMW))
        patch.setattr(bench, "MOMENTUM", few([bench.BASE, "4 bits"], bench.MOMENTUM))
        return SETTINGS | {"losses": bench.losses(SETTINGS)}


def test_the_exact_flow_has_no_excess():
    found = bench.judged(wb.characters.ring(bench.RF), 2048)
    assert found["excess"] < 1e-9 and 1 < found["loss"] < 4
    assert bench.judged(wb.characters.ring(bench.RF), 2048) == found


def test_every_variant_makes_an_optimizer_and_takes_a_step():
    for kind, variants in (("AdamW", bench.ADAMW), ("SGD", bench.MOMENTUM)):
        for settings in variants.values():
            p = torch.nn.Parameter(torch.ones(64, 64))
            optimizer = bench.maker(kind, settings, 0)([p], lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
            p.grad = torch.ones(64, 64)
            optimizer.step()
            assert optimizer.nbytes > 0 and float(p.detach().mean()) < 1


def test_what_is_recorded(facts):
    rows = bench.loss_rows(facts["losses"])
    assert [row["optimizer"] for row in rows] == ["AdamW"] * 3 + ["SGD"] * 2
    assert rows[0]["minus 32 bits"] == "+0.00000±0.00000" and rows[0]["bytes"] > 2.5 * rows[1]["bytes"]
    one, two = (found["loss"] for found in facts["losses"]["AdamW"][bench.BASE])
    assert one != two
    again = bench.trained("AdamW", {}, 1, SETTINGS)
    assert again == facts["losses"]["AdamW"]["4 bits: rank one, evenly spaced"][1], "the same seed gives the same numbers"


def test_a_death_is_recorded():
    own = [{"loss": None, "died": 7, "bytes": 5}, {"loss": 1.0, "died": None, "bytes": 5}]
    assert bench.against(own, own) is None
    rows = bench.loss_rows({"AdamW": {bench.BASE: [{"loss": 1.0, "died": None, "bytes": 9}] * 2, "zero": own}})
    assert rows[1]["minus 32 bits"] == "died at 7, -"
    worse = [{"loss": loss, "died": None} for loss in (1.5, 2.5)]
    assert bench.against(worse, [{"loss": 1.0}, {"loss": 1.0}]) == pytest.approx((1.0, 0.5))


def test_steps_are_timed():
    (row, *_) = bench.step_rows(1)
    assert row["moments"] == "4 bits" and row["ours ms"] > 0 and row["ours / torch"] > 0


def test_the_command_line(monkeypatch, tmp_path, facts):
    got = {}
    monkeypatch.setattr(bench, "losses", lambda settings: facts["losses"])
    monkeypatch.setattr(bench, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    path = tmp_path / "out.json"
    monkeypatch.setattr(
        sys, "argv", ["optimizer", "--seeds", "2", "--steps", "12", "--only", "losses", "--json", str(path), "--artifact"]
    )
    bench.main()
    assert got["name"] == "small-optimizers" and "--seeds 2 --steps 12" in got["command"] and got["facts"]["seeds"] == [0, 1]
    assert json.loads(path.read_text())["name"] == "optimizer"


def test_the_published_numbers_have_the_form_that_the_chapter_reads():
    kept = wb.artifacts.load("small-optimizers")
    assert (
        len(kept["seeds"]) >= 3
        and set(kept["losses"]["AdamW"]) == set(bench.ADAMW)
        and set(kept["losses"]["SGD"]) == set(bench.MOMENTUM)
    )
    for variants in kept["losses"].values():
        for own in variants.values():
            assert len(own) == len(kept["seeds"]) and all((one["loss"] is None) == (one["died"] is not None) for one in own)
    assert {row["moments"] for row in kept["step_rows"]} == {"4 bits", "8 bits", "32 bits"}
