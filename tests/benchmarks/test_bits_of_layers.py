"""The comparison at toy size: states that differ, allocations within the budget, damages that are what they are called."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import bits_of_layers as bench
from workbench.quantizers import Affine, BitBudget, LayerBank, additive, allocation

SETTINGS = {"samples": 4, "first": 2, "held": 5, "generations": 3, "offspring": 4, "survivors": 2, "random": 2}
METHODS = ["uniform", "greedy", "exact", "evolution", "refined"]


@pytest.fixture(scope="module")
def model():
    draws = torch.Generator().manual_seed(0)
    net = wb.nets.DiT(patch=2, width=8, depth=1, heads=2, emb=8, side=8, generator=draws)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=draws))
    return wb.NetworkDenoiser(net.requires_grad_(False), wb.schedules.Rectified(), "velocity")


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def facts(model, pictures):
    return bench.compare(model, pictures, (3.0, 4.0), SETTINGS)


def test_the_states_are_fixed_and_those_held_out_are_others(model, pictures):
    one, again, other = (bench.states(model, pictures, 6, key) for key in (1, 1, 2))
    assert torch.equal(one.true, again.true) and not torch.equal(one.true, other.true)
    assert one(model) == 0.0 and len(one) == 6


def test_every_row_is_what_it_says(facts, model, pictures):
    bank = LayerBank(model, {b: Affine(bits=b, block=(1, 32)) for b in bench.LEVELS})
    searched, held = bench.states(model, pictures, 4, 1), bench.states(model, pictures, 5, 2)
    alone = [dict(zip(bench.LEVELS, row, strict=True)) for row in facts["alone"]]
    assert [(row["average"], row["method"]) for row in facts["rows"]] == [(b, name) for b in (3.0, 4.0) for name in METHODS]
    for row in facts["rows"]:
        budget = BitBudget(bank.sizes, row["average"], bench.LEVELS)
        assert budget.check(row["bits"])
        assert row["predicted"] == pytest.approx(additive(alone, row["bits"]), rel=1e-3)
        assert row["searched"] == pytest.approx(searched(bank.at(row["bits"])), rel=1e-3)
        assert row["held"] == pytest.approx(held(bank.at(row["bits"])), rel=1e-3)
        assert row["held"] == pytest.approx(sum(row["held_each"]) / 5, rel=1e-3)
    for average in (3.0, 4.0):
        found = {row["method"]: row for row in facts["rows"] if row["average"] == average}
        assert found["uniform"]["bits"] == [int(average)] * len(bank.names)
        assert found["exact"]["predicted"] <= min(row["predicted"] for row in found.values()) * (1 + 1e-3)
        assert found["evolution"]["searched"] <= found["uniform"]["searched"]
        assert found["refined"]["searched"] <= found["exact"]["searched"]
        assert tuple(found["greedy"]["bits"]) == tuple(
            allocation.greedy(alone, bank.sizes, BitBudget(bank.sizes, average, bench.LEVELS).bits)
        )
        for start, name in (("uniform", "evolution"), ("exact", "refined")):
            history = found[name]["history"]
            assert len(history) == 4 and history == sorted(history, reverse=True)
            assert history[0] == found[start]["searched"] and history[-1] == found[name]["searched"]
        assert found["greedy"]["paid"] == 4 * 5 * len(bank.names)
        assert found["refined"]["paid"] - found["exact"]["paid"] <= 4 + 3 * (4 * 2 + 2 * 4)
    assert len(facts["together"]) == 3 * 2 and all(a > 0 and b > 0 for a, b in facts["together"])


class Shipped:
    """In place of any artifact: nothing is computed with it."""

    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)

    def on(self, schedule):
        return self


def test_the_command_line(monkeypatch, tmp_path, facts):
    got, path = {}, tmp_path / "out.json"
    monkeypatch.setattr(wb.artifacts, "load", lambda name: Shipped())
    monkeypatch.setattr(bench, "compare", lambda model, pictures, averages, settings: facts | {"asked": [averages, settings]})
    monkeypatch.setattr(bench, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    monkeypatch.setattr(sys, "argv", ["bits_of_layers", "--average", "3", "--held", "7", "--json", str(path), "--artifact"])
    bench.main()
    assert (
        got["name"] == "bits-of-layers" and "--network cifar10-dit --average 3 " in got["command"] and "--held 7" in got["command"]
    )
    assert got["facts"]["asked"] == [(3.0,), bench.DEFAULTS | {"held": 7}]
    assert json.loads(path.read_text())["network_sha256"] == wb.artifacts.describe("cifar10-dit")["sha256"]


def test_the_published_numbers_have_the_form_that_the_chapter_reads():
    kept = wb.artifacts.load("bits-of-layers")
    assert [row["method"] for row in kept["rows"]] == METHODS * 2 and kept["levels"] == list(bench.LEVELS)
    assert kept["network_sha256"] == wb.artifacts.describe("cifar10-dit")["sha256"]
    count = len(kept["names"])
    assert len(kept["alone"]) == len(kept["sizes"]) == count and all(len(row["bits"]) == count for row in kept["rows"])
    assert all(len(row["held_each"]) == kept["held"] for row in kept["rows"])
