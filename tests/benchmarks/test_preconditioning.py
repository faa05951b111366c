"""The comparison of preconditionings at toy size: what is shared is shared, what differs is what it says, and its numbers are errors."""

import json
import sys

import pytest
import torch

import workbench as wb
from benchmarks import preconditioning
from workbench.data.cifar import to_floats

SIDE = 8


@pytest.fixture(scope="module")
def images():
    draws = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(64, 3, 2, 2, generator=draws), SIDE, mode="bilinear")
    return (smooth * 255).to(torch.uint8)


@pytest.fixture(scope="module")
def law(images):
    return wb.gaussian.GaussianDenoiser.fit(to_floats(images).double(), wb.schedules.VE(), rank=12)


@pytest.fixture(scope="module")
def settings():
    return {
        "variants": preconditioning.VARIANTS, "seeds": [0, 1], "checkpoints": (1, 3), "sigmas": (0.1, 1.0), "widths": (16,),
        "blocks": 1, "batch": 8, "rate": 1e-3, "levels": [-0.7, 1.1], "test_images": 10, "samples": 0,
    }  # fmt: skip


def test_networks_of_one_seed_share_every_weight_that_both_have():
    narrow, wide = (preconditioning.network(inputs, (16,), 1, SIDE, seed=3).state_dict() for inputs in (3, 6))
    assert wide["fold.weight"].shape[1] == 6
    for name in narrow:
        if name != "fold.weight":
            torch.testing.assert_close(wide[name], narrow[name])


def test_untrained_each_formula_is_its_own_gaussian(images, law):
    x = to_floats(images) + 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    for name, wrap in preconditioning.variants(law).items():
        seen = []
        model = wrap(lambda shown, times, seen=seen: seen.append(shown.shape[1]) or torch.zeros_like(shown[:, :3]))
        known = law if name.startswith("gaussian") else None
        isotropic = wb.EDMDenoiser(lambda y, t: 0 * y, wb.gaussian.GaussianPreconditioned(abs, law).spread)
        torch.testing.assert_close(model.data(x, 0.3), (known or isotropic).data(x, 0.3))
        assert seen == [6 if name.endswith("shown") else 3]


def test_what_is_recorded(images, law, settings):
    facts = preconditioning.compare(images[:48], images[48:], law, settings)
    assert list(facts["errors"]) == preconditioning.VARIANTS
    for found in facts["errors"].values():
        assert torch.tensor(found).shape == (2, 2, 2)
    first = torch.tensor(facts["errors"]["gaussian"])[:, 0]
    line = torch.tensor(facts["gaussian"])
    torch.testing.assert_close(first, line.expand_as(first), rtol=0.2, atol=0)  # one step from F = 0
    assert torch.tensor(facts["isotropic"]).gt(line).all()
    assert all(s <= e for s, e in zip(facts["scale"]["gaussian"], facts["scale"]["edm"], strict=True))
    again = preconditioning.compare(images[:48], images[48:], law, settings | {"variants": ["edm"]})
    assert again["errors"] == {"edm": facts["errors"]["edm"]}, "the same seeds give the same numbers, whoever else is trained"
    assert facts["quality"] == {}, "too few pictures for a distance"
    rows = preconditioning.rows(facts)
    assert [row["variant"] for row in rows] == preconditioning.VARIANTS and set(rows[0]) == {"variant", "sigma 0.1", "sigma 1"}


def test_every_network_draws_from_the_same_noise(images, law, settings, monkeypatch):
    judged = []

    def mean_and_spread(x):
        judged.append(x)
        return x.mean().item(), x.std().item()

    monkeypatch.setattr(preconditioning, "features_distance", lambda images: mean_and_spread if images == 6 else None)
    few = settings | {"variants": ["edm", "gaussian"], "seeds": [0], "checkpoints": (1,), "samples": 6}
    facts = preconditioning.compare(images[:48], images[48:], law, few)
    assert list(facts["quality"]) == ["edm", "gaussian", "law alone", "test pictures"]
    edm, gaussian, alone, test = judged
    assert edm.shape == gaussian.shape == alone.shape == test.shape == (6, 3, SIDE, SIDE)
    torch.testing.assert_close(test, to_floats(images[48:54]))
    start = preconditioning.noise(law.schedule, (3, SIDE, SIDE), 6)
    torch.testing.assert_close(alone, law.flow(start, 80.0, 0.0))
    assert (gaussian - alone).square().mean() < 0.1 * (edm - alone).square().mean(), "after one step it is nearly the law itself"
    rows = preconditioning.rows(facts)
    assert rows[1]["frechet"] == f"{gaussian.mean():.3f}±0.000"
    record = facts["errors"]["gaussian"][0][-1][0] / facts["gaussian"][0]
    assert rows[1]["sigma 0.1"] == f"{record:.3f}±0.000"


def test_the_command_line(images, law, monkeypatch, tmp_path):
    split = wb.data.cifar.Cifar10
    pictures = images.new_zeros(64, 3, 32, 32)
    monkeypatch.setattr(wb.data, "cifar10", lambda *_: split(pictures, torch.zeros(64, dtype=torch.int64)))
    got = {}
    monkeypatch.setattr(preconditioning, "compare", lambda train, test, law, settings: got.update(settings, quality={}) or got)
    monkeypatch.setattr(preconditioning, "rows", lambda facts: [{"variant": "none"}])
    monkeypatch.setattr(preconditioning, "publish_record", lambda name, facts, **more: got.update(name=name, **more))
    path = tmp_path / "out.json"
    words = f"--data X --variants edm --steps 80 --widths 16,32 --test-images 5 --source jpeg-copy --json {path} --artifact"
    monkeypatch.setattr(sys, "argv", ["preconditioning", *words.split()])
    preconditioning.main()
    assert (got["checkpoints"], got["widths"], got["test_images"], got["name"]) == (
        (10, 20, 40, 80),
        (16, 32),
        5,
        "preconditioning",
    )
    assert got["command"] == (
        "python -m benchmarks.preconditioning --data FOLDER --source jpeg-copy --variants edm --steps 80 --widths 16,32 "
        "--test-images 5 --artifact preconditioning"
    )
    assert json.loads(path.read_text())["variants"] == ["edm"]


def test_the_published_numbers_are_those_of_the_four_formulas():
    facts = wb.artifacts.load("preconditioning")
    errors = {name: torch.tensor(found) for name, found in facts["errors"].items()}
    assert set(errors) == set(preconditioning.VARIANTS)
    shape = (len(facts["seeds"]), len(facts["checkpoints"]), len(facts["sigmas"]))
    assert all(found.shape == shape and bool((found > 0).all()) for found in errors.values())
    judged = {name: torch.tensor(found) for name, found in facts["quality"].items()}
    assert {name: len(found) for name, found in judged.items()} == {
        **dict.fromkeys(errors, shape[0]),
        "law alone": 1,
        "test pictures": 1,
    }
    assert all(bool((found > 0).all()) for found in judged.values()), "a distance and its standard error"
