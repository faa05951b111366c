"""A training that was interrupted ends with the very weights it would have ended with, and another one is not mistaken for it."""

import pytest
import torch

import workbench as wb
from workbench.nets.training import checkpoint
from workbench.nets.training.checkpoint import CheckpointError
from workbench.nets.training.rates import Constant
from workbench.reflow import Perceptual, PseudoHuber, UShaped, fit, independent, minibatch_ot, paired, rectify


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0):
    return wb.nets.MLP(2, width=16, depth=1, generator=generator(seed))


X0, Z = (torch.randn(128, 2, generator=generator(seed)) for seed in (1, 2))


def run(**more):
    settings = {"net": net(), "coupling": paired(X0, Z), "steps": 9, "batch": 32, "generator": generator(), "save_every": 3} | more
    return fit(settings.pop("net"), settings.pop("coupling"), **settings)


def weights(flow):
    return [p.clone() for p in flow.net.parameters()]


def same(one, two):
    return all(torch.equal(p, q) for p, q in zip(weights(one), weights(two), strict=True))


def killed_at(number):
    def callback(step, _):
        if step.number == number:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("coupling", [paired(X0, Z), independent(X0), minibatch_ot(X0)], ids=lambda one: type(one).__name__)
def test_it_goes_on_to_the_very_same_weights(tmp_path, coupling):
    path, numbers = tmp_path / "new" / "fit.pt", []
    for number in (2, 5, 8):  # before the first checkpoint, and twice between two of them
        with pytest.raises(KeyboardInterrupt):
            run(coupling=coupling, checkpoint=path, callback=killed_at(number))
    resumed = run(coupling=coupling, checkpoint=path, callback=lambda step, _: numbers.append(step.number))
    assert numbers == [7, 8, 9] and same(resumed, run(coupling=coupling))
    assert [file.name for file in path.parent.iterdir()] == ["fit.pt"]


def test_a_finished_run_is_read_back(tmp_path):
    first, steps = run(checkpoint=tmp_path / "fit.pt", save_every=4), []  # the last step is kept although no multiple of 4
    again = run(checkpoint=tmp_path / "fit.pt", save_every=7, callback=lambda step, _: steps.append(step))
    assert same(first, again) and not steps


def test_a_checkpoint_cut_short_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "fit.pt"
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=path, callback=killed_at(4))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.torch, "save", lambda content, file: file.write(b"half") and [][0])
        with pytest.raises(IndexError):
            run(checkpoint=path)
    assert path.read_bytes() == before and same(run(checkpoint=path), run())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 12}, "steps: the checkpoint has 9, you ask for 12"),
        ({"batch": 16}, "batch: the checkpoint has 32"),
        ({"rate": 1e-3}, "rate: the checkpoint has 0.01"),
        ({"schedule": Constant()}, "schedule: the checkpoint has {'name': 'Linear', 'warmup': 50}"),
        ({"generator": generator(1)}, "seed: the checkpoint has"),
        ({"net": net(1)}, "weights: the checkpoint has"),
        ({"coupling": paired(X0 + 1, Z)}, "data: the checkpoint has"),
        ({"coupling": paired(X0, Z + 1)}, "first batch: the checkpoint has"),
        ({"times": UShaped()}, "objective: the checkpoint has"),
        ({"premetric": PseudoHuber(0.1)}, r"objective: the checkpoint has .*, you ask for .*PseudoHuber\(c=0.1\)"),
    ],
)
def test_another_run_is_refused(tmp_path, change, words):
    path = tmp_path / "fit.pt"
    run(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"fit.pt is of another run: .*{words}"):
        run(**({"checkpoint": path} | change))
    assert path.read_bytes() == before


def test_functions_are_known_by_their_names_not_by_where_they_lie(tmp_path):
    def make():
        def features(x):
            return x.sin()

        return Perceptual(features)

    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=tmp_path / "fit.pt", premetric=make(), callback=killed_at(4))
    assert same(run(checkpoint=tmp_path / "fit.pt", premetric=make()), run(premetric=make()))


def test_what_cannot_be_kept(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder; checkpoint= names a file"):
        run(checkpoint=tmp_path)
    with pytest.raises(ValueError, match="save_every=0; it is a number of steps"):
        run(checkpoint=tmp_path / "fit.pt", save_every=0)
    (tmp_path / "fit.pt").write_bytes(b"half of a checkp")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        run(checkpoint=tmp_path / "fit.pt")


def test_rounds_resume_one_by_one(tmp_path, monkeypatch):
    flow = run()
    settings = {"rounds": 2, "pairs": 64, "steps": 4, "batch": 32, "solver_steps": 4, "save_every": 2}
    plain = rectify(flow, generator=generator(), **settings)
    known, calls = checkpoint.save, []

    def failing(*what):
        calls.append(1)
        if len(calls) == 4:  # the first of each round is at step 2, so this is the end of the second
            raise KeyboardInterrupt
        return known(*what)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", failing)
        with pytest.raises(KeyboardInterrupt):
            rectify(flow, generator=generator(), checkpoint=tmp_path / "run.pt", **settings)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run-1.pt", "run-2.pt"]
    assert same(rectify(flow, generator=generator(), checkpoint=tmp_path / "run.pt", **settings), plain)
    assert len(calls) == 4 and checkpoint.load(tmp_path / "run-2.pt")[0]["step"] == 4
