"""Pairs on the disk: the same for any interruption and any number of processes, and the noise comes back to the bit."""

import json

import pytest
import torch
from safetensors.torch import load_file

from workbench.data import to_bytes, to_floats
from workbench.nets.training.processes import Alone
from workbench.reflow import StoredPairs, simulate_pairs
from workbench.reflow.pairs import noise_of


def teacher(z, labels):
    return 0.5 * z.tanh() + (0.0 if labels is None else 0.01 * labels.view(-1, *[1] * (z.ndim - 1)))


def one_of(rank, count):
    processes = Alone(cpu=True)
    processes.rank, processes.count = rank, count
    return processes


def make(folder, number=25, **more):
    settings = {"shape": (3, 4, 4), "seed": 7, "classes": 10, "block": 10, "about": {"name": "tanh"}} | more
    return simulate_pairs(settings.pop("teacher", teacher), folder, number, **settings)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_ends_are_what_the_teacher_makes_of_the_noise(tmp_path):
    pairs = make(tmp_path)
    rows = torch.tensor([0, 12, 24])
    z = torch.stack([noise_of((3, 4, 4), 7, row) for row in rows.tolist()])
    assert len(pairs) == 25 and pairs.labels.tolist() == [i % 10 for i in range(25)] and pairs.about == {"name": "tanh"}
    assert torch.equal(pairs.noise(rows), z)
    assert pairs.ends.dtype == torch.uint8 and torch.equal(pairs.ends[rows], to_bytes(teacher(z, rows % 10)))
    assert (pairs.data(rows) - teacher(z, rows % 10)).abs().max() <= 1 / 255 + 1e-6
    assert torch.equal(pairs.data(rows), to_floats(pairs.ends[rows]))


def test_the_noise_is_normal_and_each_row_its_own():
    z = torch.stack([noise_of((2,), 1, row) for row in range(4000)])
    assert torch.allclose(z.T.cov(), torch.eye(2), atol=0.06) and z.mean(0).abs().max() < 0.06
    assert torch.equal(noise_of((2,), 1, 5), z[5]) and not torch.equal(noise_of((2,), 2, 5), z[5])


def test_points_are_stored_as_they_are(tmp_path):
    pairs = make(tmp_path, shape=(2,), classes=None)
    rows = torch.arange(25)
    assert pairs.labels is None and pairs.ends.dtype == torch.float32
    assert torch.equal(pairs.data(rows), teacher(pairs.noise(rows), None))


def test_blocks_are_on_the_disk_as_they_are_done(tmp_path):
    seen = []

    def watched(z, labels):
        seen.append(sorted(path.name for path in tmp_path.glob("*.safetensors")))
        return teacher(z, labels)

    make(tmp_path, teacher=watched)
    names = [f"pairs-00000{i}.safetensors" for i in range(3)]
    assert seen == [names[:i] for i in range(3)]
    assert [len(load_file(tmp_path / name)["ends"]) for name in names] == [10, 10, 5]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    whole, broken, asked = tmp_path / "whole", tmp_path / "broken", []

    def failing(z, labels):
        if len(asked) == 2:
            raise KeyboardInterrupt
        return counting(z, labels)

    def counting(z, labels):
        asked.append(len(z))
        return teacher(z, labels)

    make(whole)
    with pytest.raises(KeyboardInterrupt):
        make(broken, teacher=failing)
    make(broken, teacher=counting)
    assert asked == [10, 10, 5] and contents(broken) == contents(whole)


def test_more_may_be_asked_for_later_and_fewer_read(tmp_path):
    make(tmp_path / "later", 14)
    more = make(tmp_path / "later", 33)
    assert torch.equal(more.ends, make(tmp_path / "once", 33).ends) and contents(tmp_path / "later") == contents(tmp_path / "once")
    fewer = make(tmp_path / "later", 12)
    assert len(fewer) == 12 and torch.equal(fewer.ends, more.ends[:12]) and len(StoredPairs.open(tmp_path / "later")) == 33
    assert len(StoredPairs.open(tmp_path / "later", 15)) == 15


def test_two_processes_make_what_one_makes(tmp_path):
    make(tmp_path / "alone", 47)
    with pytest.raises(ValueError, match="holds 10 pairs without a gap and 47 are needed"):
        make(tmp_path / "shared", 47, processes=one_of(0, 2))  # the other half is missing still
    shared = make(tmp_path / "shared", 47, processes=one_of(1, 2))
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone") and len(shared) == 47


def test_the_block_does_not_change_the_pairs(tmp_path):
    a, b = make(tmp_path / "a", block=4), make(tmp_path / "b", block=25)
    assert torch.equal(a.ends, b.ends) and torch.equal(a.noise(torch.arange(25)), b.noise(torch.arange(25)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 8}, "seed: it has 7, you ask for 8"),
        ({"about": {"name": "sine"}}, "about: it has {'name': 'tanh'}, you ask for {'name': 'sine'}"),
        ({"shape": (3, 2, 2)}, r"shape: it has \[3, 4, 4\]"),
        ({"classes": None}, "classes: it has 10"),
        ({"block": 5}, "block: it has 10"),
    ],
)
def test_a_folder_of_other_pairs_is_refused(tmp_path, change, words):
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=words):
        make(tmp_path, **change)
    assert contents(tmp_path) == before


def test_what_is_remembered_may_hold_tuples(tmp_path):
    about = {"grid": (1.0, 0.5), "jump": 5.3151512145996094}
    make(tmp_path, about=about)
    assert make(tmp_path, about=about).about == {"grid": [1.0, 0.5], "jump": 5.3151512145996094}
    assert json.loads((tmp_path / "pairs.json").read_text())["seed"] == 7


@pytest.mark.parametrize("name", ["number", "block", "classes"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_below_one(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name}={value}; it needs to be a whole number, 1 or more"):
        make(tmp_path / "new", **{name: value})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda z, labels: z * float("nan"), "480 entries that are not finite"),
        (lambda z, labels: z[:, :1], r"have shape \(10, 1, 4, 4\)"),
    ],
)
def test_a_teacher_that_fails_leaves_no_block(tmp_path, bad, words):
    with pytest.raises(ValueError, match=f"the teacher's ends of pairs 0 to 9 .*{words}"):
        make(tmp_path, teacher=bad)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.json"]


def test_folders_without_enough_pairs(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no pairs; make some with"):
        StoredPairs.open(tmp_path)
    make(tmp_path)
    with pytest.raises(ValueError, match="holds 25 pairs without a gap and 26 are needed"):
        StoredPairs.open(tmp_path, 26)
    (tmp_path / "pairs-000000.safetensors").unlink()
    with pytest.raises(ValueError, match="holds 0 pairs without a gap and 1 are needed"):
        StoredPairs.open(tmp_path)


def test_progress_is_shown_by_the_first_process_alone(tmp_path, capsys):
    make(tmp_path / "a", progress=True)
    assert "3/3" in capsys.readouterr().err
    make(tmp_path / "a", progress=True, processes=one_of(1, 2))
    assert capsys.readouterr().err == ""
