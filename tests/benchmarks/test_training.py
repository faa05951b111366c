"""The benchmark of a training step: all sides train the same problem, and a library that is missing is left out."""

import pytest
import torch
from torch.nn.utils import parameters_to_vector

import workbench as wb
from benchmarks import training

X0 = wb.data.toys.ring(512, generator=torch.Generator().manual_seed(0))


def net():
    return wb.nets.MLP(2, width=16, depth=1, generator=torch.Generator().manual_seed(1))


def test_a_side_trains_the_network_it_is_given():
    own, other = net(), net()
    for run in (training.ours(own, X0, 64, "independent"), training.loop(other, X0, 64, training.bare_line)):
        for _ in range(3):
            next(run)
    start = parameters_to_vector(net().parameters())
    for trained in (own, other):
        moved = (parameters_to_vector(trained.parameters()) - start).detach().abs().max()
        assert float(moved) == pytest.approx(3 * training.RATE, rel=0.5)


def test_our_side_is_what_fit_runs():
    """The same batches, objective, settings: after the same steps the same weights."""
    own = net()
    run = training.ours(own, X0, 64, "minibatch_ot")
    seen = [next(run).loss for _ in range(3)]
    flow = wb.NetworkDenoiser(net(), wb.schedules.Rectified(), "velocity")
    x0, _, z, draws = training.Batches(X0, None, 64, 0, flips=False, partners=wb.reflow.minibatch_ot(X0)).at(0)
    objective = training.FlowMatching()
    noise, t = objective.draw(flow.schedule, x0, draws, z)
    assert seen[0] == pytest.approx(float(objective.judge(flow, x0, noise, t).detach().mean()), rel=1e-5)


def test_the_bare_line_goes_from_data_to_noise():
    t, x, target = training.bare_line(X0)
    assert torch.allclose(x - t[:, None] * target, X0, atol=1e-5) and t.min() >= 0 and t.max() <= 1


def test_what_is_missing_is_left_out_and_said(monkeypatch, capsys):
    monkeypatch.setattr(training, "missing", lambda *names: list(names))
    assert list(training.sides("independent")) == ["ours", "bare"] and list(training.sides("minibatch_ot")) == ["ours"]
    said = capsys.readouterr().out
    assert "torchcfm is left out, torchcfm and ot missing: pip install" in said and "flow_matching is left out" in said


def test_rows_are_ratios_to_ours(monkeypatch):
    monkeypatch.setattr(training, "WIDTH", 8)
    monkeypatch.setattr(training, "missing", lambda *names: list(names))
    rows = training.measure("independent", 32, rounds=3, steps=2)
    assert [row["side"] for row in rows] == ["ours", "bare"] and rows[0]["ours / it"] == 1.0
    assert all(row["s per 1000 steps"] > 0 and row["goal"] == "" for row in rows)
