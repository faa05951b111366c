"""A small flow of every stage, trained for a moment."""

import pytest
import torch

from workbench.quantizers import integer_flows as flows


def smooth_pictures(n: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Pictures with neighbors that resemble each other, and colors too."""
    coarse = torch.rand(n, 1, 3, 3, generator=generator) + 0.15 * torch.rand(n, 3, 3, 3, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (200 * fine + 6 * torch.rand(fine.shape, generator=generator)).to(torch.uint8)


@pytest.fixture(scope="session")
def stages():
    """Pictures, and the flow in floats, with rounded steps, and in whole numbers."""
    generator = torch.Generator().manual_seed(0)
    x = smooth_pictures(48, 8, generator)

    def network(reads, writes, rng):
        return flows.Translator(reads, writes, 20, generator=rng)

    flow = flows.IntegerFlow((3, 8, 8), flows.lifting(3, 2), network, components=2, generator=generator)
    flow = flows.linear_start(flow, x)
    flows.fit(flow, x, steps=10, batch=24, generator=generator, rate=1e-4)
    rounded = flows.rounded_weights(flows.rounded_activations(flow, x))
    return {"x": x, "floats": flow, "rounded": rounded, "whole": flows.whole(rounded)}
