"""Rounding with a gradient: whole numbers forward; backward slopes whose mean over a step is 1."""

import pytest
import torch

from workbench.quantizers.integer_flows import round_through
from workbench.quantizers.integer_flows.through import slope


@pytest.mark.parametrize("way", ["nearest", "stochastic", "sigmoids"])
def test_whole_numbers_forward(way, rng):
    x = 5 * torch.randn(200, generator=rng)
    y = round_through(x, way, rng)
    assert torch.equal(y, y.round()) and bool(((y - x).abs() < (1 if way == "stochastic" else 0.5 + 1e-6)).all())
    whole = torch.tensor([-2.0, 0.0, 7.0])
    assert torch.equal(round_through(whole, way, rng), whole)


@pytest.mark.parametrize("way", ["nearest", "stochastic"])
def test_the_gradient_passes_unchanged(way, rng):
    x = torch.randn(50, generator=rng, requires_grad=True)
    weights = torch.randn(50, generator=rng)
    (round_through(x, way, rng) * weights).sum().backward()
    assert torch.equal(x.grad, weights)


def test_chance_keeps_the_mean(rng):
    x = torch.tensor([0.3, -1.8, 2.5]).expand(40_000, 3)
    z = (round_through(x, "stochastic", rng).mean(0) - x[0]) / (torch.tensor([0.21, 0.16, 0.25]) / 40_000).sqrt()
    assert bool((z.abs() < 5).all())


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5, 2.0])
def test_the_slope_of_sigmoids(temperature):
    """It is the derivative of the sum of sigmoids, has the mean 1 over a step, and is largest halfway between two whole numbers."""
    x = torch.arange(-100, 101, dtype=torch.float64)[:, None] / 100 + 3
    edges = torch.arange(-200, 207, dtype=torch.float64) - 0.5
    h = 1e-5
    up, down = (torch.sigmoid((x + s - edges) / temperature).sum(1) for s in (h, -h))
    found = slope(x[:, 0], temperature)
    torch.testing.assert_close(found, (up - down) / (2 * h), rtol=1e-5, atol=1e-6)
    assert abs(float(found[:100].mean()) - 1) < 1e-5
    assert float(found[50]) == pytest.approx(float(found.max())) and float(found[0]) == pytest.approx(float(found.min()))
    start = x.detach().clone().requires_grad_()
    (2 * round_through(start, "sigmoids", temperature=temperature)).sum().backward()
    torch.testing.assert_close(start.grad[:, 0], 2 * found)


def test_errors(rng):
    with pytest.raises(ValueError, match="choose one of"):
        round_through(torch.ones(2), "up")
    with pytest.raises(ValueError, match="generator"):
        round_through(torch.ones(2), "stochastic")
    with pytest.raises(ValueError, match="positive"):
        round_through(torch.ones(2), "sigmoids", temperature=0.0)
