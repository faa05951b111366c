"""The command that rectifies pictures: resumed bit for bit, reported, published and loaded again as the same flow."""

import json

import pytest
import torch
from tiny_training import law

import workbench as wb
from workbench.artifacts import cifar10_flow, networks
from workbench.nets.training import run as run_module
from workbench.nets.training.checkpoint import load
from workbench.reflow import StoredPairs, simulate_pairs
from workbench.reflow.report import TIMES, held_out_losses
from workbench.reflow.train import main

STEPS = 12


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    known = law()

    def teacher(noise, labels):
        return known.flow(80.0 * noise, 80.0, 0.0) + 0.1 * (labels[:, None, None, None] - 1)

    simulate_pairs(teacher, folder, 60, shape=(3, 8, 8), classes=3, block=25)
    return folder


def arguments(folder, data, *more):
    settings = (
        f"--start= --widths 16 --blocks 1 --rank 20 --batch 8 --warmup 3 --steps {STEPS} --save-every 5 --report-every 1000 --cpu"
    )
    return ["--out", str(folder), "--data", str(data), *settings.split(), *map(str, more)]


@pytest.fixture(scope="module")
def whole(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    main(arguments(folder, pairs))
    return folder


def test_a_run_leaves_what_it_promises(whole, pairs):
    names = {"average.safetensors", "checkpoint.pt", "curves.png", f"samples-{STEPS:07d}.png", "steps.jsonl", "validation.jsonl"}
    assert {path.name for path in whole.iterdir()} == names
    line = json.loads((whole / "validation.jsonl").read_text())
    assert tuple(line["time"]) == TIMES
    stored = StoredPairs.open(pairs)
    rows = torch.arange(48, 60)
    state = load(whole / "checkpoint.pt")[1]
    assert state["start"] == "" and state["data"] == pairs.name and state["a"] == 4.0
    known = torch.tensor(line["affine"])
    net, about = networks.unpack((whole / "average.safetensors").read_bytes())
    told = about["tensors"]
    covariance = law().covariance  # of other data: only its kind matters here
    assert told["variances"].shape == covariance.spectrum.shape and told["mean"].shape == (3, 8, 8)
    assert about["preconditioning"] == f"coupling of {pairs.name}" and net.settings["inputs"] == 6
    assert bool((known > 0).all()) and len(stored.data(rows)) == 12


def test_resumed_it_is_the_same_run(whole, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module.Job, "_keep", lambda *args: None)
    main([*arguments(tmp_path, pairs), "--steps", "7", "--schedule", "constant"])
    main([*arguments(tmp_path, pairs), "--resume"])
    one, two = (load(folder / "checkpoint.pt")[0] for folder in (whole, tmp_path))
    assert all(torch.equal(one["net"][name], two["net"][name]) for name in one["net"])
    assert (whole / "steps.jsonl").read_bytes() == (tmp_path / "steps.jsonl").read_bytes()


def test_it_learns_what_the_affine_flow_leaves_over(pairs, tmp_path):
    main(arguments(tmp_path, pairs, "--steps", 60, "--rate", "3e-3", "--premetric", "huber", "--no-flips"))
    line = json.loads((tmp_path / "validation.jsonl").read_text())
    ratio = [loss / affine for loss, affine in zip(line["loss"], line["affine"], strict=True)]
    assert sum(ratio) / len(ratio) < 0.9  # the shift by class is not affine in the noise


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--data", "nowhere"], "holds no pairs"),
        (["--start", "cifar10-moments"], "a denoiser is needed"),
        (["--start", "cifar10-dit-2"], "no artifact is called"),
        (["--a", "-1"], "a=-1"),
        (["--rank", "0"], "rank=0"),
        (["--drop", "2"], "drop=2"),
        (["--widths", "20"], "multiple of 16"),
    ],
)
def test_what_must_not_start_does_not(pairs, tmp_path, more, words):
    with pytest.raises(SystemExit, match=words):
        main(arguments(tmp_path / "run", pairs, *more))
    assert not (tmp_path / "run").exists()


def test_data_must_be_named(tmp_path):
    with pytest.raises(SystemExit, match="workbench.reflow.make_pairs"):
        main(["--out", str(tmp_path), "--steps", "3", "--start="])


def test_published_it_is_loaded_as_the_same_flow(whole, pairs, tmp_path, monkeypatch):
    from workbench import characters

    class Spectrum:
        covariance = law().covariance

    monkeypatch.setattr(characters, "cifar10", lambda schedule, rank=None: Spectrum)
    content = (whole / "average.safetensors").read_bytes().replace(f"coupling of {pairs.name}".encode(), b"coupling")
    # the header's length has changed with its words: write it again as a network of CIFAR-10's size would have it
    net, about = networks.unpack((whole / "average.safetensors").read_bytes())
    told = about.pop("tensors")
    content = networks.pack(net, told, **(about | {"preconditioning": "coupling"}))
    (whole / "average.safetensors").write_bytes(content)
    entry = cifar10_flow.build(whole, tmp_path, pairs, hardware="a test", looks="noise")
    assert entry["kind"] == "denoiser" and entry["measured"]["pairs"] == 48 and "reflow.train" in entry["command"]
    flow = wb.artifacts.load("cifar10-flow", tmp_path)
    assert isinstance(flow, wb.reflow.FlowPreconditioned)
    assert torch.allclose(flow.law.correlation, told["correlation"].double())
    stored = StoredPairs.open(pairs)
    rows = torch.arange(48, 60)
    losses = held_out_losses(flow, stored.data(rows), stored.noise(rows), stored.labels[rows])
    assert entry["measured"]["loss"] == pytest.approx([*losses.values()])
