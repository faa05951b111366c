"""A checkpoint is whole or the old one, keeps every bit, and is refused where it does not belong."""

import pytest
import torch

from workbench import atomic
from workbench.atomic import write
from workbench.nets.training import checkpoint
from workbench.nets.training.checkpoint import CheckpointError, differences, load, save

SETTINGS = {"steps": 10, "betas": (0.9, 0.99), "schedule": {"name": "Constant", "warmup": 5}, "clip": None}


def state(value=1.0):
    return {"step": 3, "net": {"w": torch.full((2,), value)}, "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}}


def test_all_of_it_comes_back(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save(path, state(1 / 3), SETTINGS)
    found, settings, versions = load(path)
    assert torch.equal(found["net"]["w"], torch.full((2,), 1 / 3)) and found["step"] == 3
    assert settings == SETTINGS and versions["torch"] == torch.__version__
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_write_that_is_cut_short_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save(path, state(1.0), SETTINGS)

    def half(content, file):
        file.write(b"half of a checkp")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", half)
    with pytest.raises(OSError, match="no space"):
        save(path, state(2.0), SETTINGS)
    assert load(path)[0]["net"]["w"].tolist() == [1.0, 1.0]
    monkeypatch.undo()
    save(path, state(3.0), SETTINGS)  # what lies around from the failure is no obstacle
    assert load(path)[0]["net"]["w"].tolist() == [3.0, 3.0]


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(atomic.os, "fsync", lambda handle: calls.append("fsync"))
    real = atomic.os.replace
    monkeypatch.setattr(atomic.os, "replace", lambda a, b: (calls.append("rename"), real(a, b)))
    write(tmp_path / "file", b"content")
    assert calls[:2] == ["fsync", "rename"] and (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("content", [b"", b"half of a checkp", b"PK\x03\x04nonsense"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load(path)
    torch.save({"something": 1}, path)
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load(path)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


def test_nothing_in_a_file_is_executed(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"state": Evil(), "settings": {}, "versions": {}}, path)
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load(path)


def test_differences_name_each_setting():
    lines = differences(SETTINGS, SETTINGS | {"steps": 20, "clip": 1.0, "new": 3}, free=("steps",))
    assert lines == [
        "clip: the checkpoint has None, you ask for 1.0",
        "new: the checkpoint has 'nothing', you ask for 3",
    ]
