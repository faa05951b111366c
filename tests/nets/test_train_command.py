"""The command: kill -9 and resume, longer runs, other runs refused, two processes like one, weights that load again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from several_processes import together
from tiny_training import arguments, write_pictures

import workbench as wb
from workbench.artifacts import networks
from workbench.nets.train import main
from workbench.nets.training import run as run_module
from workbench.nets.training.checkpoint import load

ROOT = Path(__file__).parents[2]
MODULE = "workbench.nets.train"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("data") / "tiny.safetensors")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run of 24 steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    main(arguments(folder, data, "--snapshots", "12"))
    return folder


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch, whole):
    """Sheets of samples take longer than these runs themselves; ``whole`` has drawn its own."""
    monkeypatch.setattr(run_module.Report, "draw", lambda *args: None)


def surroundings():
    return {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}  # as here: sums depend on it


def start(*command):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=os.environ | surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def same(a, b):
    """The same run to the last bit: weights, average, optimizer, step, losses of every step."""
    one, two = (load(folder / "checkpoint.pt")[0] for folder in (a, b))
    assert one["step"] == two["step"]
    for part in ("net", "average"):
        assert all(torch.equal(one[part][name], two[part][name]) for name in one[part] | two[part])
    for index, moments in one["optimizer"]["state"].items():
        assert all(torch.equal(value, two["optimizer"]["state"][index][name]) for name, value in moments.items())
    assert (a / "steps.jsonl").read_bytes() == (b / "steps.jsonl").read_bytes()
    assert (a / "average.safetensors").read_bytes() == (b / "average.safetensors").read_bytes()


def saves(process, path, count):
    """Wait until ``path`` has been replaced ``count`` times, and return the seconds between the last two replacements."""
    stamp = lambda: path.stat().st_mtime_ns if path.exists() else 0  # noqa: E731
    seen, moments = stamp(), [time.monotonic()]
    while len(moments) <= count and process.poll() is None:
        if stamp() != seen:
            seen = stamp()
            moments.append(time.monotonic())
        time.sleep(0.001)
    return moments[-1] - moments[-2]


def test_killed_at_any_moment_it_resumes_to_the_very_same_end(data, whole, tmp_path):
    options, path = arguments(tmp_path / "run", data, "--save-every", 1, "--resume"), tmp_path / "run" / "checkpoint.pt"
    for count, share in ((1, 0.0), (4, 0.6)):  # right after the first checkpoint, and between two: in a step or in a save
        process = start("-m", MODULE, *options)
        time.sleep(share * saves(process, path, count))
        process.send_signal(signal.SIGKILL)
        output = process.communicate()[0]
        assert process.returncode == -signal.SIGKILL, output
        assert 1 <= load(path)[0]["step"] < 24
    main(options)
    same(tmp_path / "run", whole)


def test_two_processes_agree_with_one(data, whole, tmp_path):
    pytest.importorskip("accelerate")
    printed = together(["-m", MODULE, *arguments(tmp_path / "run", data)], 2, tmp_path, surroundings())
    assert [text.count("held-out error") for text in printed] == [1, 0], printed  # the first of them speaks
    folders = (whole, tmp_path / "run")
    one, two = ([json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()] for folder in folders)
    assert len(one) == len(two) == 24
    for a, b in zip(one, two, strict=True):
        assert a["step"] == b["step"] and a["rate"] == b["rate"]
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4) and b["norm"] == pytest.approx(a["norm"], rel=1e-3)
    one, two = (load(folder / "checkpoint.pt")[0]["average"] for folder in folders)
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-4) for name in one)


def test_several_processes_need_accelerate(data, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install 'few-steps-few-bits\[train\]'"):
        main(arguments(tmp_path, data))


def test_other_versions_are_pointed_out(data, whole, monkeypatch, capsys):
    monkeypatch.setattr("workbench.nets.training.checkpoint.versions", lambda: {"torch": "0.1"})
    main(arguments(whole, data, "--resume", "--snapshots", "12"))
    assert "'torch': '0.1'}: the run goes on" in capsys.readouterr().out


def test_a_run_leaves_what_it_promises(whole):
    names = {"average-0000012.safetensors", "average.safetensors", "checkpoint.pt", "curves.png", "samples-0000024.png"}
    assert {path.name for path in whole.iterdir()} == names | {"steps.jsonl", "validation.jsonl"}
    assert all((whole / name).read_bytes()[:4] == b"\x89PNG" for name in ("curves.png", "samples-0000024.png"))
    line = json.loads((whole / "steps.jsonl").read_text().splitlines()[1])
    assert line["step"] == 2 and line["rate"] == pytest.approx(2e-3 / 5) and line["norm1"] > line["norm"] > 0
    net, about = networks.unpack((whole / "average.safetensors").read_bytes())
    assert about["images"] == 24 * 8 and about["preconditioning"] == "gaussian law of tiny.safetensors"
    stored = load(whole / "checkpoint.pt")[0]["average"]
    assert all(torch.equal(value, stored[name].half().float()) for name, value in net.state_dict().items())
    early, _ = networks.unpack((whole / "average-0000012.safetensors").read_bytes())
    assert not torch.equal(early.unfold.weight, net.unfold.weight)


def test_a_constant_rate_goes_on_for_longer_and_may_cool_down(data, whole, tmp_path, capsys):
    longer = arguments(tmp_path, data, "--steps", 12)
    main(longer)
    main([*longer, "--resume", "--steps", "24"])
    same(tmp_path, whole)
    main([*longer, "--resume", "--steps", "32", "--schedule", "stable", "--tail", "0.25"])
    rates = [json.loads(line)["rate"] for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert rates[23] == rates[24] == 1e-3 and rates[31] == pytest.approx(1e-3 / 8)
    with pytest.raises(SystemExit, match="one with a decaying rate cannot"):
        main([*longer, "--resume", "--steps", "40", "--schedule", "stable", "--tail", "0.25"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "pass --resume to go on with it"),
        (["--resume", "--seed", "1"], "seed: the checkpoint has 0, you ask for 1"),
        (["--resume", "--drop", "0.5", "--clip", "0"], "clip: the checkpoint has 1.0, you ask for None; drop: "),
        (["--resume", "--steps", "10"], "has done 24 steps and you ask for 10"),
        (["--resume", "--schedule", "rex"], "the steps done must stay as they were"),
        (["--resume", "--precision", "bfloat16"], "pays on CUDA devices only"),
        (["--steps", "0"], "steps=0"),
        (["--resume", "--snapshots", "12,25"], r"snapshots at \[25\] are outside"),
        (["--widths", "20"], "multiple of 16"),
        (["--schedule", "refined"], "belong together"),
        (["--data", "nothing.safetensors", "--out", "elsewhere"], "is not there"),
    ],
)
def test_what_must_not_start_does_not(data, whole, more, words):
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    with pytest.raises(SystemExit, match=words):
        main(arguments(whole, data, *more))
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before


def test_other_pictures_are_another_run(whole, tmp_path):
    other = write_pictures(tmp_path / "tiny.safetensors", count=55)
    with pytest.raises(SystemExit, match="data_sha256: the checkpoint has"):
        main(arguments(whole, other, "--resume"))


def test_a_breakdown_says_where_and_leaves_the_last_good_checkpoint(data, tmp_path, monkeypatch):
    from workbench.nets.training.trainer import Trainer

    advance = Trainer.advance

    def poisoned(self):
        if self.step == 8:
            with torch.no_grad():
                self.net.unfold.bias.fill_(float("nan"))
        return advance(self)

    monkeypatch.setattr(Trainer, "advance", poisoned)
    with pytest.raises(SystemExit, match="NonFiniteLoss: step 9: the loss of 8 of 8 samples is not finite"):
        main(arguments(tmp_path, data))
    state = load(tmp_path / "checkpoint.pt")[0]
    assert state["step"] == 6 and all(bool(value.isfinite().all()) for value in state["net"].values())
    assert len((tmp_path / "steps.jsonl").read_text().splitlines()) == 8  # what led to it can be read


@pytest.mark.parametrize(("model", "kind"), [("flow", wb.NetworkDenoiser), ("edm", wb.EDMDenoiser)])
def test_other_models_and_networks(data, tmp_path, model, kind, monkeypatch):
    trained, prepare = [], run_module.prepare
    monkeypatch.setattr("workbench.nets.train.prepare", lambda *asked: trained.append(prepare(*asked)) or trained[0])
    main(arguments(tmp_path, data, "--model", model, "--network", "dit", "--width", 16, "--depth", 1, "--steps", 3))
    assert type(trained[0].trainer.averaged) is kind
    net, about = networks.unpack((tmp_path / "average.safetensors").read_bytes())
    assert type(net).__name__ == "DiT" and about["preconditioning"] == model
    assert type(networks.denoiser(net, about)) is kind


def test_a_refined_schedule_comes_from_a_finished_run(data, whole, tmp_path):
    main(arguments(tmp_path, data, "--schedule", "refined", "--norms", whole / "steps.jsonl", "--warmup", 0))
    rates = [json.loads(line)["rate"] for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert max(rates) <= 1e-3 and rates[-1] < 0.2e-3 and max(rates) > 0.9e-3


def test_the_help_is_made_of_the_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "kill -9" in text and "(default: 0.001)" in text and "accelerate launch" in text
