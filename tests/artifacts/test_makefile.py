"""`make artifacts networks` at toy size: the very commands of the Makefile, from pictures to artifacts that load."""

import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_training import images

import workbench as wb
from workbench import characters
from workbench.artifacts import networks
from workbench.artifacts.command_line import images_sha256
from workbench.artifacts.manifest import publish
from workbench.data.cifar import CLASSES, Cifar10, to_floats
from workbench.quantizers.integer_flows.yardsticks import halved as pictures_of_half_the_side

SIDE, COUNT, STEPS, BATCH = (
    20,
    60,
    4,
    20,
)  # 20: the least that the classifier, a U-Net of one level and patches of 4 can all look at
TRAIN = f"--cpu --widths 16 --blocks 1 --rank 40 --batch {BATCH} --warmup 1"


def split(count: int, seed: int) -> Cifar10:
    """Pictures and labels as ``wb.data.cifar10`` returns them, but smaller than it ever would."""
    found = object.__new__(Cifar10)
    vars(found).update(images=images(count, SIDE, seed), labels=torch.arange(count) % 10, classes=CLASSES)
    return found


def commands(folder: Path) -> list[list[str]]:
    """What make would run, as module and arguments; making the virtual environment is not ours to repeat."""
    words = {
        "PY": "python", "VENV": folder / "venv", "DATA": "somewhere", "SOURCE": "jpeg-copy", "ARTIFACTS": folder / "artifacts",
        "RUNS": folder / "runs", "STEPS": STEPS, "SNAPSHOTS": "1,3", "STAND_INS": 10, "TRAIN": TRAIN,
        "DIT": f"--cpu --width 16 --depth 1 --rank 40 --batch {BATCH} --warmup 1", "NINE_STEPS": 2, "STATISTICS": 4,
        "CLASSIFIER": "--epochs 1 --batch 30 --widths 8,8,8", "PAIRS": 40, "FLOW_STEPS": STEPS,
        "FLOW": f"--cpu --rank 40 --batch {BATCH} --warmup 1", "INTEGER_FLOW": "--pace 0.003 --batch 8 --width 16",
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "-n", "artifacts", "networks", *(f"{name}={value}" for name, value in words.items())]
    shown = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=True
    ).stdout
    return [shlex.split(line)[2:] for line in shown.splitlines() if line.startswith("python -m workbench.")]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_commands_of_the_makefile_make_artifacts_that_load(tmp_path, monkeypatch):
    """As for a user of ARTIFACTS=folder.  The folder has an untrained network already, as the package has one, which is replaced."""
    data, folder = {"train": split(COUNT, 0), "test": split(20, 1)}, tmp_path / "artifacts"
    folder.mkdir()
    net = wb.nets.UNet(3, 6, (16,), 1, classes=10, side=SIDE, generator=torch.Generator().manual_seed(0))
    old = publish(
        "cifar10-denoiser", networks.pack(net, preconditioning="gaussian", rank=40, shows_base=True), folder, file="old.safetensors",
        kind="denoiser", source="jpeg-copy", command="none", measured={"words": "untrained"},
    )  # fmt: skip
    monkeypatch.setenv("WORKBENCH_ARTIFACTS", str(folder))
    monkeypatch.setattr(wb.data, "cifar10", lambda split, root: data[split] if root == "somewhere" else None)
    noise = torch.randn(9, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(characters, "nine", lambda schedule: schedule.sigma(schedule.t_first) * noise)
    characters._cifar10.cache_clear()
    try:
        modules = []
        for module, *arguments in commands(tmp_path):
            modules.append(module.rpartition(".")[2])
            monkeypatch.setattr("sys.argv", [module, *arguments])
            monkeypatch.delitem(sys.modules, module, raising=False)
            runpy.run_module(module, run_name="__main__")
        builders = ["cifar10_moments", "cifar10_classes", "cifar10_facts", "stand_in_images", "cifar10_nine", "cifar10_statistics"]
        trainings = ["train", "cifar10_denoiser", "train", "cifar10_denoiser", "train_classifier", "cifar10_classifier"]
        trainings += [
            "stand_in_images",
            "cifar10_nine",
            "cifar10_statistics",
            "integer_flow",
            "make_pairs",
            "train",
            "cifar10_flow",
        ]
        assert modules == builders + trainings
        check(folder, data, old)
    finally:
        characters._cifar10.cache_clear()


def check(folder: Path, data: dict[str, Cifar10], old: dict) -> None:
    """Every artifact loads, holds what these pictures say, and was made from the others that are there now."""
    made = {name: wb.artifacts.load(name) for name in wb.artifacts.available(folder)}
    about = {name: wb.artifacts.describe(name)["measured"] for name in made}
    sha256 = {name: wb.artifacts.describe(name)["sha256"] for name in made}
    assert set(made) == {
        "cifar10-moments", "cifar10-classes", "cifar10-facts", "stand-in-images", "cifar10-denoiser", "cifar10-denoiser-history",
        "cifar10-classifier", "cifar10-features", "cifar10-dit", "cifar10-nine", "cifar10-flow", "cifar10-statistics", "integer-flow",
    }  # fmt: skip
    pictures = to_floats(data["train"].images, torch.float64)
    torch.testing.assert_close(made["cifar10-moments"].mean, pictures.mean(0))
    torch.testing.assert_close(made["cifar10-classes"].frequencies, torch.full((10,), 0.1, dtype=torch.float64))
    assert made["cifar10-facts"]["variance"]["trace"] == pytest.approx(about["cifar10-moments"]["trace"])
    assert made["cifar10-features"]["test"].count == 20 and sum(p.numel() for p in made["cifar10-classifier"].parameters()) < 10_000
    assert sha256["cifar10-denoiser"] != old["sha256"] and about["cifar10-denoiser"]["images"] == STEPS * BATCH
    assert list(made["cifar10-denoiser-history"]) == [BATCH, 3 * BATCH]
    x, model = torch.zeros(2, 3, SIDE, SIDE), made["cifar10-denoiser"]
    assert model.given(torch.tensor([1, 2])).data(x, 1.0).shape == x.shape and about["cifar10-denoiser"]["run"]["rank"] == 40
    assert about["cifar10-dit"]["network"] == "DiT" and made["cifar10-dit"].data(x, 1.0).shape == x.shape
    assert about["cifar10-nine"]["network_sha256"] == sha256["cifar10-denoiser"]
    assert {pictures.shape for pictures in made["cifar10-nine"].values()} == {(9, 3, SIDE, SIDE)}
    statistics = made["cifar10-statistics"]
    assert about["cifar10-statistics"]["network_sha256"] == sha256["cifar10-denoiser"] and statistics["pixels"].samples == 4
    assert statistics["eigenvectors"].basis.into(x).shape == statistics["eigenvectors"].l[:2].shape
    flow = about["cifar10-flow"]
    assert flow["teacher"]["network"] == sha256["cifar10-denoiser"] and flow["pairs"] == 32 and flow["images"] == STEPS * BATCH
    assert made["cifar10-flow"].given(torch.tensor([1, 2])).velocity(x, 1.0).shape == x.shape
    codec = made["integer-flow"]["codec"]
    small = pictures_of_half_the_side(data["test"].images[:3])
    assert torch.equal(codec.decode(codec.encode(small)), small)
    assert len(made["stand-in-images"]) == 10 and made["stand-in-images"].images.shape == (10, 3, SIDE, SIDE)
    assert about["stand-in-images"]["network_sha256"] == sha256["cifar10-denoiser"]
    assert about["cifar10-features"]["classifier_sha256"] == sha256["cifar10-classifier"]
    assert about["cifar10-classes"]["basis_sha256"] == sha256["cifar10-moments"]
    assert {found["images_sha256"] for name, found in about.items() if name in {"cifar10-moments", "cifar10-classifier"}} == {
        images_sha256(data["train"].images)
    }
