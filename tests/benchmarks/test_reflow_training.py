"""The comparison of trainings at toy size: what is shared is shared, each judge is right on exact flows, and the record has its form."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import reflow_training as bench

SETTINGS = {
    "seeds": [0, 1], "steps": 30, "width": 8, "pairs": 80, "judged": 60, "batches": [16, 32], "times": [0.1, 0.9], "kept": [0, 1, 2],
}  # fmt: skip


@pytest.fixture(scope="module")
def facts():
    return bench.compare(SETTINGS)


def test_the_pairs_are_those_of_the_exact_flow():
    ends, noise = bench.exact_pairs(50, bench.rng(0))
    finer = wb.reflow.simulate(wb.characters.ring(bench.RF), noise, steps=96)
    assert float((ends - finer).norm(dim=1).max()) < 0.05
    assert torch.equal(bench.exact_pairs(50, bench.rng(0))[0], ends)


def test_a_straight_flow_misses_nothing_and_its_loss_is_zero():
    law = wb.gaussian.GaussianCoupling(torch.ones(2), torch.diag(torch.tensor([2.0, 0.5])), 1.0)
    ends, noise = law.sample(200, generator=torch.Generator().manual_seed(0))
    found = bench.judge(law, (ends, noise), ends, (0.1, 0.5, 1.0))
    assert found["miss"] < 1e-5 and max(found["loss"]) < 1e-9
    half = wb.gaussian.GaussianCoupling(law.mean, law.covariance, 0.5)
    missed = half.velocity(noise, 1.0) - law.velocity(noise, 1.0)
    again = bench.judge(half, (ends, noise), ends, (1.0,))
    assert again["miss"] == pytest.approx(float(missed.square().sum(1).mean().sqrt()), rel=1e-4)
    assert again["loss"][0] == pytest.approx(again["miss"] ** 2, rel=1e-3), "at t = 1 the loss is the squared miss"


def test_the_exact_flow_has_no_excess():
    ring = wb.characters.ring(bench.RF)
    points = wb.data.toys.ring(300, generator=bench.rng(1))
    noise = torch.randn(points.shape, generator=bench.rng(2))
    found = bench.judge_first(ring, points, noise, wb.data.toys.ring(300, generator=bench.rng(3)), (0.2, 0.8))
    assert max(found["excess"]) < 1e-9 and abs(found["energy"]) < 0.05


def test_the_published_start_is_the_denoiser_by_change_of_schedule():
    """r = 0 and the last layer turned; the other start differs from it by its base alone."""
    settings = SETTINGS | {"pairs": 400}
    coupling, points = wb.reflow.paired(*bench.exact_pairs(400, bench.rng(4))), wb.data.toys.ring(400, generator=bench.rng(5))
    models = bench.started(points, coupling, settings, seed=0)
    assert tuple(models) == bench.STARTS
    published, ours, affine = models["denoiser"], models[bench.STARTS[-1]], models["affine flow"]
    law = wb.gaussian.GaussianDenoiser.fit(points.double(), wb.schedules.VE())
    denoiser = wb.gaussian.GaussianPreconditioned(bench.negated(published.net), law)
    x = torch.randn(20, 2, generator=bench.rng(6))
    with torch.no_grad():
        for t in (0.2, 0.6, 0.95):
            torch.testing.assert_close(published.velocity(x, t), wb.reflow.flow_of(denoiser).velocity(x, t), rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(affine.velocity(x, t), ours.law.velocity(x, t))
            assert not torch.allclose(ours.velocity(x, t), affine.velocity(x, t), atol=1e-4)


def test_what_is_recorded(facts):
    assert len(facts["second"]) == 2 * 2 * 2 + 1 and len(facts["first"]) == len(bench.FIRST)
    assert all(len(found) == 2 for name, found in facts["second"].items() if name != "exact flow")
    assert {name: torch.tensor(found).shape for name, found in facts["starts"].items()} == dict.fromkeys(bench.STARTS, (2, 3))
    names = [row["variant"] for row in bench.rows(facts)]
    assert names == [*facts["second"], *facts["first"], *(f"start: {name}" for name in bench.STARTS)]
    again = bench.second(SETTINGS)
    assert again == facts["second"], "the same seeds give the same numbers"


def test_seeds_differ_and_settings_too(facts):
    misses = {name: [one["miss"] for one in found] for name, found in facts["second"].items() if name != "exact flow"}
    assert all(one != two for one, two in misses.values())
    assert len({tuple(found) for found in misses.values()}) > 4


def test_the_command_line(monkeypatch, tmp_path, facts):
    got = {}
    monkeypatch.setattr(bench, "compare", lambda settings: facts | {"asked": settings})
    monkeypatch.setattr(bench, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    path = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["reflow_training", "--seeds", "2", "--steps", "24", "--json", str(path), "--artifact"])
    bench.main()
    assert got["facts"]["asked"]["seeds"] == [0, 1] and got["facts"]["asked"]["kept"] == [0, 2, 4, 8, 12]
    assert got["name"] == "reflow-training" and "--seeds 2 --steps 24 --width 64" in got["command"]
    assert json.loads(path.read_text())["name"] == "reflow_training"


def test_the_published_numbers_have_the_form_that_the_chapter_reads():
    kept = wb.artifacts.load("reflow-training")
    assert len(kept["seeds"]) >= 3
    for name, found in kept["second"].items():
        assert name == "exact flow" or (len(found) == len(kept["seeds"]) and all(one["miss"] > 0 for one in found))
    assert set(kept["starts"]) == set(bench.STARTS)
    assert all(len(row) == len(kept["kept"]) for rows in kept["starts"].values() for row in rows)
