"""The deep flow of the ring: what is built loads as it was trained, and the shipped one is a flow of the ring."""

import torch

import workbench as wb
from workbench.artifacts import ring_deep


def test_what_is_built_loads_as_it_was_trained(tmp_path):
    ring_deep.main(["--out", str(tmp_path), "--steps", "4", "--points", "50", "--hardware", "a test"])
    flow, again = wb.artifacts.load("ring-deep", tmp_path), ring_deep.trained(steps=4)
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flow.velocity(x, 0.4), again.velocity(x, 0.4), rtol=1e-2, atol=1e-2)
    assert isinstance(flow.schedule, wb.schedules.Rectified) and not any(p.requires_grad for p in flow.net.parameters())
    told = wb.artifacts.describe("ring-deep", tmp_path)
    assert "--steps 4 --points 50" in told["command"] and told["measured"]["hardware"] == "a test"
    assert told["measured"]["energy"] == ring_deep.measured(again, 50)["energy"]


def test_the_shipped_one_ends_on_the_ring():
    flow = wb.artifacts.load("ring-deep")
    assert len(list(wb.quantizers.layers_of(flow.net))) == 9
    found = ring_deep.measured(flow, 600)
    assert found["energy"] < 0.02, "and 1.0 or more for the noise itself"
    assert (
        float(
            wb.metrics.energy_distance(
                torch.randn(600, 2, generator=ring_deep.rng(6)), wb.data.toys.ring(600, generator=ring_deep.rng(7))
            )
        )
        > 0.1
    )
