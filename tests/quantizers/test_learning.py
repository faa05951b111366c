"""Gradients through rounding: the identity, and the learned step against its formula and against finite differences of what it smooths."""

import math

import pytest
import torch

from workbench.quantizers import Affine, LearnedStep, straight_through


def test_straight_through_is_the_identity_on_the_way_back(rng):
    x = torch.randn(4, 6, generator=rng, requires_grad=True)
    quantizer = Affine(bits=3, block=(1, -1))
    y = straight_through(x, quantizer)
    assert torch.equal(y, quantizer.simulate(x))
    weight = torch.randn(4, 6, generator=rng)
    (y * weight).sum().backward()
    assert torch.equal(x.grad, weight)
    noisy = straight_through(x, Affine(bits=3, rounding="stochastic"), rng)
    assert noisy.requires_grad and len(noisy.unique()) <= 7


@pytest.mark.parametrize("each_row", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_learned_step_follows_its_formula(each_row, signed, rng):
    x = (torch.randn(3, 40, generator=rng, dtype=torch.float64) + (0 if signed else 1)).requires_grad_()
    layer = LearnedStep(x, bits=3, signed=signed, each_row=each_row).double()
    low, high = (-4, 3) if signed else (0, 7)
    assert (layer.low, layer.high) == (low, high)
    start = (2 if signed else 4) / math.sqrt(high)
    expected = x.detach().abs().mean(1, keepdim=True) if each_row else x.detach().abs().mean()
    torch.testing.assert_close(layer.raw.detach(), start * expected)
    with torch.no_grad():
        layer.raw.mul_(0.4 if signed else 0.15)  # so that some are clipped
    grad = torch.randn(3, 40, generator=rng, dtype=torch.float64)
    y = layer(x)
    (y * grad).sum().backward()
    u = (x / layer.step).detach()
    torch.testing.assert_close(y, torch.clamp(torch.round(u), low, high) * layer.step)
    below, above = u < low, u > high
    assert below.any() and above.any()
    torch.testing.assert_close(x.grad, grad * ~(below | above))
    slope = torch.where(below, low, torch.where(above, high, u.round() - u))
    n = 40 if each_row else 120
    pull = 1 / math.sqrt(n * high)
    by_hand = (grad * slope).sum(1, keepdim=True) if each_row else (grad * slope).sum()
    torch.testing.assert_close(layer.raw.grad, by_hand * pull)


def test_its_gradient_is_the_slope_where_codes_do_not_change(rng):
    """With codes held still, y = step q: the derivative is q, and the formula is q - u.  The u is what the identity of x adds: x itself moves
    with the step when u is held instead.  So clipped entries, where u does not matter, must agree with a difference quotient."""
    x = torch.full((10,), 50.0, dtype=torch.float64)
    layer = LearnedStep(torch.ones(10, dtype=torch.float64), bits=4).double()
    layer(x).sum().backward()
    step, h = layer.step.detach(), 1e-6
    quotient = (10 * layer.high * (step + h) - 10 * layer.high * (step - h)) / (2 * h)
    torch.testing.assert_close(layer.raw.grad * math.sqrt(10 * layer.high), quotient, rtol=1e-6, atol=0.0)


def test_it_finds_a_better_step(rng):
    x = torch.randn(2000, generator=rng)
    layer = LearnedStep(x, bits=3)
    with torch.no_grad():
        layer.raw.mul_(2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (layer(x) - x).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / len(x))
    best = min((((x / s).round().clamp(-4, 3) * s - x).square().mean().item()) for s in torch.linspace(0.2, 1.5, 200))
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] < 1.1 * best


def test_the_step_stays_positive():
    layer = LearnedStep(torch.ones(3), bits=4)
    with torch.no_grad():
        layer.raw.neg_()
    assert layer.step > 0
    with torch.no_grad():
        layer.raw.zero_()
    assert layer(torch.ones(3)).isfinite().all()


def test_errors():
    for bits in (1, 17):
        with pytest.raises(ValueError, match="2 to 16"):
            LearnedStep(torch.ones(3), bits=bits)
    for x in (torch.zeros(4), torch.zeros(0), torch.tensor([math.inf])):
        with pytest.raises(ValueError, match="mean magnitude"):
            LearnedStep(x)
