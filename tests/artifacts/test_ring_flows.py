"""Flows of the ring: what is built loads as it was trained, bad files are refused, and the shipped ones show what chapters say of them."""

import dataclasses

import pytest
import torch
from safetensors.torch import save

import workbench as wb
from workbench.artifacts import ArtifactError, ring_flows

TOY = {"steps": 6, "pairs": 64, "solver_steps": 2, "batch": 32}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flows")
    return folder, ring_flows.build(folder, seeds=(3, 5), points=64, hardware="a test", **TOY)


def rows(entry, name):
    return [row for row in entry["measured"]["rows"] if row["round"] == name]


def test_what_is_built_loads_as_it_was_trained(built):
    folder, entry = built
    flows = wb.artifacts.load("ring-flows", folder)
    assert tuple(flows) == ring_flows.ROUNDS and {len(group) for group in flows.values()} == {2}
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    again = ring_flows.trained(5, **TOY)
    for name, flow in again.items():
        assert torch.allclose(flows[name][1].velocity(x, 0.4), flow.velocity(x, 0.4), atol=2e-3)
    apart = [
        (flows[a][1].velocity(x, 0.4) - flows[b][1].velocity(x, 0.4)).abs().max()
        for a, b in zip(again, again, strict=True)
        if a != b
    ]
    assert all(gap > 0 for gap in apart)
    assert not any(p.requires_grad for p in flows["round-1"][0].net.parameters())
    assert "--steps 6 --pairs 64 --points 64" in entry["command"] and entry["measured"]["hardware"] == "a test"


def test_each_round_is_trained_on_the_pairs_of_the_one_before(monkeypatch):
    asked = []
    pairs_of = wb.reflow.pairs_of

    def noted(flow, *arguments, **options):
        asked.append(flow)
        return pairs_of(flow, *arguments, **options)

    monkeypatch.setattr(ring_flows.reflow, "pairs_of", noted)
    flows = ring_flows.trained(0, **TOY)
    assert asked == [flows["round-1"], flows["round-2"]]


def test_the_rows_are_measured_on_what_is_stored(built):
    folder, entry = built
    flow = wb.artifacts.load("ring-flows", folder)["round-2"][1]
    row = rows(entry, "round-2")[1]
    assert row["seed"] == 5 and ring_flows.measured(flow, 5, 64) == {
        key: value for key, value in row.items() if key not in ("round", "seed")
    }
    other = dataclasses.replace(flow, net=wb.nets.MLP(2, generator=torch.Generator().manual_seed(1)))
    assert ring_flows.measured(other, 5, 64)["cost"] == 0.0
    first, second = (row["cost"] for row in rows(entry, "round-2"))
    mean, error = entry["measured"]["means"]["round-2"]["cost"]
    assert mean == pytest.approx((first + second) / 2) and error == pytest.approx(abs(first - second) / 2)


def test_bad_files_and_requests_are_refused(built, tmp_path):
    folder, _ = built
    content = (folder / "ring-flows.safetensors").read_bytes()
    tensors = {"round-1/0/first.weight": torch.zeros(2, 2)}
    for bad in (b"something else", content[:200], save(tensors), save({"plain": torch.zeros(1)})):
        with pytest.raises(ArtifactError, match="no flows of the ring"):
            ring_flows.unpack(bad)
    for seeds in ((), (1, 1)):
        with pytest.raises(ValueError, match="no two the same"):
            ring_flows.build(tmp_path, seeds=seeds, **TOY)
    assert not list(tmp_path.iterdir())


def test_the_shipped_flows_show_what_one_round_does():
    about = wb.artifacts.describe("ring-flows")
    assert about["bytes"] < 1_500_000 and about["measured"]["hardware"] != "not stated"
    for seed in ring_flows.SEEDS:
        first, second, third = (rows(about, name)[seed] for name in ring_flows.ROUNDS)
        assert first["seed"] == second["seed"] == seed
        assert first["energy_1"] > 100 * second["energy_1"] and first["straightness"] > 100 * second["straightness"]
        assert third["energy_1"] > second["energy_1"] - 3 * abs(max(about["measured"]["noise_floor"], key=abs))
    flow = wb.artifacts.load("ring-flows")["round-2"][0]
    noise = torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
    one, many = (wb.reflow.simulate(flow, noise, steps=n, solver=wb.solvers.Euler(variable="t")) for n in (1, 64))
    assert (one - many).square().sum(1).mean() < 0.02
    assert wb.reflow.straightness(flow, noise) == pytest.approx(rows(about, "round-2")[0]["straightness"], rel=0.5)
