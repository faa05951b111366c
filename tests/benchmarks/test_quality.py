"""The tables of quality at toy size: what is recorded is what a direct measurement says, and no row is made twice."""

import json
import sys

import pytest
import torch
from tiny_training import awake

import workbench as wb
from benchmarks import quality
from benchmarks.judging import Judge
from benchmarks.kept import Kept
from benchmarks.making import VE, Bench, Model, Way
from benchmarks.teleport import noise
from workbench.metrics import FeatureStatistics
from workbench.nets import Classifier, UNet

SHAPE, IMAGES = (3, 32, 32), 16


def rng(seed):
    return torch.Generator().manual_seed(seed)


def network(seed):
    net = awake(UNet(3, 3, (16,), 1, classes=10, emb=16, side=32, generator=rng(seed)), seed, 0.3)
    return Model(wb.EDMDenoiser(net.requires_grad_(False).eval(), 0.5), f"network {seed}")


@pytest.fixture(scope="module")
def judge():
    classifier = Classifier((4, 6), 10, generator=rng(0)).requires_grad_(False).eval()
    reference = FeatureStatistics.of(classifier.features(torch.randn(40, *SHAPE, generator=rng(1)).clamp(-1, 1)))
    return Judge(classifier, reference)


@pytest.fixture
def bench(judge, tmp_path):
    return Bench(judge, Kept(tmp_path, classifier="toy"), batch=8, compared=4, classes=10)


@pytest.fixture(scope="module")
def known():
    return wb.artifacts.AccuracyTable(wb.artifacts.load("solver-accuracy"))


def test_the_recommended_grid_is_that_of_the_smallest_error_on_record(known):
    way, error = quality.recommended(known, wb.solvers.UniPC(), 10)
    errors = {grid: known.look_up("UniPC()", grid, 10, quality.LAW, "VE") for grid in known.grids}
    assert error == errors[way.grid] == min(errors.values())
    longer, none = quality.recommended(known, wb.solvers.UniPC(), 35)
    assert longer.budget == 35 and longer.grid == quality.recommended(known, wb.solvers.UniPC(), 20)[0].grid and none is None
    assert all(quality.recommended(known, solver, budget)[1] > 0 for solver in quality.METHODS for budget in quality.BUDGETS)


def test_solver_rows_agree_with_a_direct_measurement(bench, judge, known):
    model, asked = network(2), [(wb.solvers.DDIM(), 5), (wb.solvers.Heun(), 5), (wb.solvers.DDIM(), 10)]
    converged = Way(wb.solvers.UniPC(), "karras", 30)
    rows, differences = quality.solver_rows(bench, model, known, asked, IMAGES, converged)
    start = noise(VE, SHAPE, IMAGES)
    exact = wb.solve(model.denoiser, start[:4], converged.times(), converged.solver).x
    for row, (solver, budget) in zip(rows, asked, strict=True):
        run = wb.solve(model.denoiser, start, quality.recommended(known, solver, budget)[0].times(), solver)
        found = wb.metrics.frechet_estimate(judge.features(run.x), judge.reference)
        assert row["evaluations"] == run.evaluations <= budget == row["budget"]
        assert (row["frechet"], row["frechet_standard_error"]) == pytest.approx((found.value, found.standard_error), rel=1e-3)
        assert row["error"] == pytest.approx(float((run.x[:4] - exact).square().mean().sqrt() / exact.std(correction=0)), rel=1e-3)
    assert [(row["a"], row["b"], row["budget"]) for row in differences] == [("DDIM()", "Heun()", 5)]
    assert differences[0]["frechet"] == pytest.approx(rows[0]["frechet"] - rows[1]["frechet"], abs=1e-9)
    assert rows[2]["error"] < rows[0]["error"]


def test_what_is_kept_is_not_made_again(bench, monkeypatch):
    model, way = network(3), Way(wb.solvers.DDIM(), "karras", 3)
    facts, tensors = bench.made(model, way, IMAGES)
    monkeypatch.setattr(Bench, "_make", lambda *_: pytest.fail("made again"))
    again, same = bench.made(model, way, IMAGES)
    assert again == facts and all(torch.equal(same[name], tensors[name]) for name in tensors)
    with pytest.raises(pytest.fail.Exception):
        bench.made(Model(model.denoiser, "another network"), way, IMAGES)
    with pytest.raises(pytest.fail.Exception):
        bench.made(model, way, IMAGES, 1.0)


def test_guidance_asks_for_every_class_and_pays_twice(bench, judge):
    model, way = network(4), Way(wb.solvers.DDIM(), "karras", 3)
    rows = quality.guidance_rows(bench, model, (1.0, 2.0), IMAGES, way)
    labels, start = torch.arange(IMAGES) % 10, noise(VE, SHAPE, IMAGES)
    asked = {1.0: model.denoiser.given(labels), 2.0: wb.Guided(model.denoiser.given(labels), model.denoiser, 2.0)}
    for row, (scale, guided) in zip(rows, asked.items(), strict=True):
        x = wb.solve(guided, start, way.times(), way.solver).x
        right = (judge.classifier(x.clamp(-1, 1)).argmax(1) == labels).double().mean()
        assert (row["scale"], row["evaluations"]) == (scale, 3 * int(scale))
        apart = (row["above_first"], row["frechet"] - rows[0]["frechet"])
        assert apart[0] == pytest.approx(apart[1], abs=1e-9)
        assert row["accuracy"] == pytest.approx(float(right), abs=1 / IMAGES)  # one picture may lie on the border of two classes


def test_states_networks_laws_and_what_they_cost(bench, monkeypatch):
    way = Way(wb.solvers.DDIM(), "karras", 2)
    states = {16: network(5), 64: network(6)}
    rows = quality.training_rows(bench, states, IMAGES, way)
    assert [row["seen"] for row in rows] == [16, 64] and rows[0]["frechet"] != rows[1]["frechet"]
    law = wb.gaussian.GaussianDenoiser(torch.zeros(SHAPE), 0.25, VE)
    laws = {"a Gaussian": (law, False, "one", 9)}
    found = quality.network_rows(bench, {"mine": states[64]}, laws, IMAGES, 12, way)
    assert [(row["name"], row["classes"], row["images"]) for row in found] == [
        ("mine", False, 16),
        ("mine", True, 12),
        ("a Gaussian", False, 16),
    ]
    assert found[0]["frechet"] == rows[1]["frechet"] and "accuracy" in found[1] and "accuracy" not in found[2]
    measured = {"parameters": 7, "sigma": [1.0], "error": [0.1], "gaussian_error": [0.2]}
    monkeypatch.setattr(wb.artifacts, "describe", lambda name: {"bytes": 5, "measured": measured})
    monkeypatch.setattr(quality, "seconds", lambda run, repeats: run() is None or 0.5)
    costs = quality.cost_rows({"mine": states[64]}, laws, torch.zeros(2, *SHAPE))
    assert [(row["name"], row["ratio"]) for row in costs] == [("a Gaussian", 1.0), ("mine", 1.0)]
    assert costs[1]["milliseconds"] == 250 and costs[1]["parameters"] == 7 and [row["bytes"] for row in costs] == [9, 5]


def test_held_out_images_are_the_floor():
    row = quality.held_out_row()
    assert 0 < row["frechet"] < row["plain"] < 0.02 and row["accuracy"] > 0.85


def test_the_command_line(judge, monkeypatch, tmp_path):
    law = wb.gaussian.GaussianDenoiser(torch.zeros(SHAPE), 0.25, VE)
    model = network(7)
    toys = {"cifar10-denoiser": model}, {16: network(8), 320000: model}, {"a Gaussian": (law, False, "one", 9)}
    small = {"METHODS": (wb.solvers.DDIM(), wb.solvers.UniPC()), "BUDGETS": (5,), "LONG": 6, "SCALES": (1.0, 2.0)}
    small |= {"USUAL": Way(wb.solvers.DDIM(), "karras", 2), "CONVERGED": Way(wb.solvers.DDIM(), "karras", 8)}
    for name, value in small.items():
        monkeypatch.setattr(quality, name, value)
    monkeypatch.setattr(quality, "shipped", lambda: toys)
    monkeypatch.setattr(Judge, "shipped", classmethod(lambda cls: judge))
    got, stated = {}, {}
    monkeypatch.setattr(quality, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    monkeypatch.setattr(quality, "add_measured", lambda name, folder, **more: stated.update({name: more}))
    words = f"--images 16 --guided 12 --batch 8 --keep {tmp_path / 'rows'} --json {tmp_path / 'out.json'} --artifact"
    monkeypatch.setattr(sys, "argv", ["quality", *words.split()])
    quality.main()
    facts = json.loads((tmp_path / "out.json").read_text())
    assert got["name"] == "quality" and got["command"] == "python -m benchmarks.quality --images 16 --guided 12 --artifact"
    assert {name: len(facts[name]) for name in quality.TABLES} == {
        "solvers": 4, "differences": 2, "guidance": 2, "training": 2, "networks": 4, "costs": 2
    }  # fmt: skip
    assert facts["guidance"][0]["accuracy"] == facts["networks"][1]["accuracy"], "one row for both tables"
    assert facts["training"][1]["frechet"] == facts["networks"][0]["frechet"]
    ((name, said),) = stated.items()
    assert name == "cifar10-denoiser" and [row["frechet"] for row in said["distance"]] == [
        row["frechet"] for row in facts["networks"][:2]
    ]
    assert [row["classes"] for row in said["distance"]] == [False, True] and said["distance"][0]["evaluations"] == 2
    monkeypatch.setattr(Bench, "_make", lambda *_: pytest.fail("made again"))
    quality.main()
    for again, first in zip(got["facts"]["solvers"], facts["solvers"], strict=True):  # eigenvalues may differ in their last digits
        assert {k: v for k, v in again.items() if not isinstance(v, float)} == {
            k: v for k, v in first.items() if not isinstance(v, float)
        }
        numbers = {k: v for k, v in first.items() if isinstance(v, float)}
        assert {k: again[k] for k in numbers} == pytest.approx(numbers, rel=1e-6, abs=1e-9)


def test_too_few_pictures_are_refused(judge, monkeypatch, capsys):
    monkeypatch.setattr(Judge, "shipped", classmethod(lambda cls: judge))
    monkeypatch.setattr(sys, "argv", ["quality", "--images", "8"])
    with pytest.raises(SystemExit):
        quality.main()
    assert "twice as many pictures" in capsys.readouterr().err
