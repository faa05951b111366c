"""Four ways to one evaluation: what is built loads as it was trained, bad files are refused, and the shipped ones draw the ring."""

import pytest
import torch
from safetensors.torch import save

import workbench as wb
from workbench.artifacts import ArtifactError, ring_one_step
from workbench.reflow import ConsistencyFunction
from workbench.reflow.couplings import Paired

TOY = {"steps": 6, "pairs": 64, "solver_steps": 2, "batch": 32}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roads")
    return folder, ring_one_step.build(folder, seeds=(3, 5), hardware="a test", **TOY)


def answers(models, noise):
    with torch.no_grad():
        return {
            name: model.data(80 * noise, 80.0) if isinstance(model, ConsistencyFunction) else model.data(noise, 1.0)
            for name, model in models.items()
        }


def test_what_is_built_loads_as_it_was_trained(built):
    folder, entry = built
    roads = wb.artifacts.load("ring-one-step", folder)
    assert tuple(roads) == ring_one_step.ROADS and {len(group) for group in roads.values()} == {2}
    noise = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    stored = answers({name: group[1] for name, group in roads.items()}, noise)
    for name, end in answers(ring_one_step.trained(5, **TOY), noise).items():
        torch.testing.assert_close(stored[name], end, atol=5e-3, rtol=0)
    assert "--steps 6 --pairs 64" in entry["command"] and entry["measured"]["hardware"] == "a test"
    assert not any(p.requires_grad for group in roads.values() for p in group[0].net.parameters())


def test_the_distilled_one_goes_on_from_the_rectified_on_the_same_pairs(monkeypatch):
    seen = []
    distill = wb.reflow.distill

    def noted(flow, coupling, **options):
        seen.append((flow, coupling, options["steps"]))
        return distill(flow, coupling, **options)

    monkeypatch.setattr(ring_one_step.reflow, "distill", noted)
    roads = ring_one_step.trained(0, **TOY)
    ((flow, coupling, steps),) = seen
    assert flow is roads["rectified"] and isinstance(coupling, Paired) and len(coupling) == 64 and steps == 3


def test_bad_files_and_requests_are_refused(built, tmp_path):
    content = (built[0] / "ring-one-step.safetensors").read_bytes()
    for bad in (
        b"something else",
        content[:200],
        save({"rectified/0/first.weight": torch.zeros(2, 2)}),
        save({"x": torch.zeros(1)}),
    ):
        with pytest.raises(ArtifactError, match="no one-step models"):
            ring_one_step.unpack(bad)
    for seeds in ((), (1, 1)):
        with pytest.raises(ValueError, match="no two the same"):
            ring_one_step.build(tmp_path, seeds=seeds, **TOY)
    assert not list(tmp_path.iterdir())


def test_the_shipped_ones_draw_the_ring_in_one_evaluation():
    about = wb.artifacts.describe("ring-one-step")
    assert about["bytes"] < 500_000 and about["measured"]["hardware"] != "not stated"
    draws = torch.Generator().manual_seed(1)
    noise, ring = torch.randn(2000, 2, generator=draws), wb.data.toys.ring(2000, generator=draws)
    roads = wb.artifacts.load("ring-one-step")
    for place in range(len(ring_one_step.SEEDS)):
        for name, end in answers({name: group[place] for name, group in roads.items()}, noise).items():
            assert wb.metrics.energy_distance(end, ring) < 0.05, name
    blur = wb.metrics.energy_distance(torch.zeros_like(ring) + 0.01 * noise, ring)
    assert blur > 1  # what one step of the flow that starts from chance makes of it
