"""From pictures to an artifact: the training command and the builder, end to end at toy size."""

import json

import pytest
import torch
from safetensors.torch import save_file

import workbench as wb
from workbench.artifacts import cifar10_denoiser
from workbench.artifacts.networks import unpack
from workbench.nets import train


def pictures(n=24, seed=0):
    """Smooth uint8 pictures of 32x32, and labels of three classes."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=32, mode="bilinear").mul(255).round().to(torch.uint8)
    return images, torch.arange(n) % 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three steps of the real command, with two snapshots."""
    folder = tmp_path_factory.mktemp("run")
    images, labels = pictures()
    save_file({"images": images, "labels": labels}, folder / "pictures.safetensors")
    options = "--model edm --widths 16 --blocks 1 --steps 3 --batch 4 --snapshots 1,2 --report-every 100"
    train.main(["--out", str(folder / "out"), "--data", str(folder / "pictures.safetensors"), *options.split()])
    return folder / "out"


def test_a_finished_run_becomes_an_artifact(run, tmp_path):
    test = pictures(5, seed=9)
    entry = cifar10_denoiser.build(
        run, tmp_path, "official", test, name="mine", hardware="one core", looks="Blurs.", history=(1, 2)
    )
    model = wb.artifacts.load("mine", tmp_path)
    assert isinstance(model, wb.EDMDenoiser) and model.net.embedding.classes == 3
    assert (tmp_path / "mine.safetensors").read_bytes() == (run / "average.safetensors").read_bytes()
    measured = entry["measured"]
    assert measured["images"] == 12 and measured["run"]["steps"] == 3 and measured["run"]["seed"] == 0
    losses = [json.loads(line)["loss"] for line in (run / "steps.jsonl").read_text("utf8").splitlines()]
    assert len(losses) == 3 and measured["loss"] == losses[-1]  # the last tenth of three steps
    assert "12 images seen in batches of 4 (one core, seed 0). Blurs." in wb.artifacts.summary("mine", tmp_path)
    x0 = wb.data.cifar.to_floats(test[0])
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    for sigma, found, gaussian in zip(measured["sigma"], measured["error"], measured["gaussian_error"], strict=True):
        guess = model.given(test[1]).data(x0 + sigma * noise, sigma)
        assert found == pytest.approx(float((guess - x0).square().mean()), rel=1e-5)
        law = wb.characters.cifar10(wb.schedules.VE())
        assert gaussian == pytest.approx(float((law.data(x0 + sigma * noise, sigma) - x0).square().mean()), rel=1e-5)


def test_its_snapshots_come_along_in_order(run, tmp_path):
    cifar10_denoiser.build(run, tmp_path, "official", pictures(2), name="mine", history=(1, 2))
    history = wb.artifacts.load("mine-history", tmp_path)
    assert list(history) == [4, 8] and wb.artifacts.describe("mine-history", tmp_path)["measured"]["images"] == [4, 8]
    exact, _ = unpack((run / "average-0000002.safetensors").read_bytes())
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(history[8].data(x, 0.5), wb.EDMDenoiser(exact).data(x, 0.5), rtol=0, atol=0.02)


def test_a_run_that_was_not_finished_is_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="finish the run"):
        cifar10_denoiser.build(tmp_path, tmp_path, "official", pictures(2))
    with pytest.raises(FileNotFoundError, match=r"average-0000003\.safetensors"):
        cifar10_denoiser.build(run, tmp_path / "out", "official", pictures(2), history=(3,))
    assert not (tmp_path / "out").exists()


def test_the_command_line(run, tmp_path, monkeypatch, capsys):
    images, labels = pictures(6, seed=9)
    monkeypatch.setattr(cifar10_denoiser.data, "cifar10", lambda split, root: wb.data.Cifar10(images, labels))
    argv = ["--run", str(run), "--source", "jpeg-copy", "--out", str(tmp_path), "--images", "3", "--name", "mine"]
    cifar10_denoiser.main(argv)
    entry = wb.artifacts.describe("mine", tmp_path)
    assert entry["measured"]["held_out"] == 3 and "JPEG copy" in entry["source"]
    assert "--source jpeg-copy" in entry["command"]
    for option in ("--steps 3", "--model edm", "--widths 16", "--blocks 1", "--batch 4"):
        assert option in entry["command"]
    assert "--rate" not in entry["command"] and "--seed" not in entry["command"]  # the defaults
    printed = capsys.readouterr().out
    assert entry["sha256"] in printed and printed.count("sigma") == 8


def test_the_command_that_is_stored_starts_the_same_run(run):
    from workbench.nets.training.checkpoint import load

    _, stored, _ = load(run / "checkpoint.pt")
    stored |= {"schedule": {"name": "WarmupStableDecay", "warmup": 100, "tail": 0.4}, "flips": False, "clip": None}
    asked = train.parser().parse_args(["--out", "RUN", *train.options(stored).split()])
    for name in ("steps", "batch", "rate", "seed", "widths", "blocks", "model", "network", "drop", "betas", "halflife"):
        assert (
            list(getattr(asked, name)) == list(stored[name])
            if isinstance(stored[name], tuple)
            else getattr(asked, name) == stored[name]
        )
    assert (asked.schedule, asked.warmup, asked.tail, asked.no_flips, asked.clip) == ("stable", 100, 0.4, True, 0)
