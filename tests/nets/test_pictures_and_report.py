"""What a run trains on, and what it writes of itself."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file
from tiny_training import awake, images, labels, model, write_pictures

import workbench as wb
from workbench.nets.training.pictures import read
from workbench.nets.training.report import SIGMAS, Log, Report


def test_the_last_images_of_a_file_are_held_out(tmp_path):
    found = read(write_pictures(tmp_path / "p.safetensors"))
    assert len(found.images) == 48 and len(found.held_out) == 12 and found.classes == 3 and found.side == 8
    assert torch.equal(torch.cat([found.images, found.held_out]), images())
    assert torch.equal(torch.cat([found.labels, found.held_labels]), labels())
    assert len(read(tmp_path / "p.safetensors", held_out=5).held_out) == 5


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"pixels": torch.zeros(20, 3, 8, 8, dtype=torch.uint8)}, "needs 'images'"),
        ({"images": torch.zeros(20, 3, 8, 8)}, "needs 'images', uint8"),
        ({"images": torch.zeros(20, 3, 8, 6, dtype=torch.uint8)}, "side, side"),
        ({"images": torch.zeros(20, 3, 8, 8, dtype=torch.uint8), "labels": torch.zeros(3, dtype=torch.int64)}, "one an image"),
    ],
)
def test_other_files_are_refused(tmp_path, tensors, words):
    save_file(tensors, tmp_path / "p.safetensors")
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "p.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors is not there"):
        read(tmp_path / "nothing.safetensors")


def test_a_log_forgets_what_lies_ahead_and_lines_cut_short(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    log = Log(path, 2)
    assert log.read() == [{"step": 1}, {"step": 2}]
    log.add(step=3, loss=0.5)
    assert len(log.read()) == 2  # not before it is flushed
    log.flush()
    log.flush()
    assert log.read()[2:] == [{"step": 3, "loss": 0.5}]


def test_errors_are_measured_against_the_gaussian_law(tmp_path):
    pictures = read(write_pictures(tmp_path / "p.safetensors"))
    report = Report(tmp_path, pictures, 20, 0)
    silent = model()
    law = pictures.law(20)
    object.__setattr__(silent, "law", law)
    assert report.examine(1, silent) == pytest.approx(dict.fromkeys(SIGMAS, 1.0), abs=1e-6)  # F = 0 is the law
    awake(silent.net)
    assert max(abs(ratio - 1) for ratio in report.examine(2, silent).values()) > 1e-3
    x0 = pictures.held_out / 127.5 - 1
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        by_hand = float((silent.given(pictures.held_labels).data(x0 + 0.5 * noise, 0.5) - x0).square().mean())
    line = json.loads((tmp_path / "validation.jsonl").read_text().splitlines()[1])
    assert line["error"][SIGMAS.index(0.5)] == pytest.approx(by_hand, rel=1e-5)
    assert line["gaussian"][SIGMAS.index(0.5)] == pytest.approx(
        float((law.data(x0 + 0.5 * noise, 0.5) - x0).square().mean()), rel=1e-5
    )


def test_the_samples_take_the_steps_that_the_texts_name(tmp_path, monkeypatch):
    report = Report(tmp_path, read(write_pictures(tmp_path / "p.safetensors")), 20, 0)
    seen, plain = [], wb.solve

    def watched(asked, x, grid, solver):
        seen.append((grid, plain(asked, x, grid, solver)))
        return seen[0][1]

    monkeypatch.setattr(sys.modules["workbench.solve"], "solve", watched)  # wb.solve is the function, not the module
    report.draw(3, model(), rows=1)
    grid, run = seen[0]
    assert torch.equal(grid, wb.grids.karras(wb.schedules.VE(), 18, stop=0.0))
    assert run.evaluations == 35 and len(run.x) == 3
    assert (tmp_path / "samples-0000003.png").stat().st_size > 0
