"""The 4-bit layer: whole numbers forward (int64 as the judge), gradients right on average, one byte kept for each input."""

import itertools
import math

import pytest
import torch
from torch import nn

from workbench.quantizers import hadamard
from workbench.quantizers.training import Draws, Int4Linear, Sampling, kept_codes, leverage, split
from workbench.quantizers.training.int4_linear import input_gradient, weight_gradient


def layer_of(rng, n=24, inputs=32, outputs=12, bias=True, **settings):
    linear = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        for p in linear.parameters():
            p.copy_(torch.randn(p.shape, generator=rng) / inputs**0.5)
    x = torch.randn(n, inputs, generator=rng)
    return Int4Linear(linear, x, Draws(rng), **settings), x


def lsq(u):
    return u.double().round().clamp(-8, 7).long()


@pytest.mark.parametrize("most", [1, 8, 64])
def test_forward_is_the_whole_number_product(most, rng):
    layer, x = layer_of(rng, most=most)
    size = min(most, 32)
    s, r = layer.step_x.step.detach(), layer.step_w.step.detach()
    a, b = lsq(hadamard(x, size) / s), lsq(hadamard(layer.weight.detach(), size) / r)
    expected = (a @ b.T).float() * (s * r) + layer.bias
    assert layer.size == size and torch.equal(layer(x), expected)
    assert a.min() >= -8 and a.max() <= 7 and len(a.unique()) > 6
    assert float((layer(x) - nn.functional.linear(x, layer.weight, layer.bias)).detach().std()) < 0.35
    tokens = layer(x.view(4, 6, 32))
    assert torch.equal(tokens.view(24, -1), expected)


def by_hand(layer, x, grad):
    """Gradients of input, weight and steps for an exact gradient of the output."""
    s, r, size = layer.step_x.step.detach(), layer.step_w.step.detach(), layer.size
    u, v = hadamard(x, size) / s, hadamard(layer.weight.detach(), size) / r
    a, b = lsq(u).float(), lsq(v).float()
    to_x, to_w = grad @ b * r, grad.T @ a * s
    inside, inside_w = ((w >= -8) & (w <= 7) for w in (u, v))
    slope, slope_w = torch.where(inside, a - u, a), torch.where(inside_w, b - v, b)
    pull = [1 / math.sqrt(7 * t.numel()) for t in (u, v)]
    steps = (to_x * slope).sum() * pull[0], (to_w * slope_w).sum() * pull[1]
    return hadamard(to_x * inside, size), hadamard(to_w * inside_w, size), *steps, (~inside).sum()


def test_with_all_rows_gradients_are_those_of_the_split_gradient(rng):
    layer, x = layer_of(rng, sampling=Sampling(2, 2))
    with torch.no_grad():
        layer.step_x.raw.mul_(0.4)
        layer.step_w.raw.mul_(0.4)
    x.requires_grad_()
    grad = torch.randn(24, 12, generator=rng)
    layer(x).backward(grad)
    seen = split(grad, again(layer.draws)).dequantize()
    to_x, to_w, step_x, step_w, clipped = by_hand(layer, x.detach(), seen)
    assert int(clipped) > 20
    torch.testing.assert_close(x.grad, to_x, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.weight.grad, to_w, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.bias.grad, grad.sum(0))
    size = float(to_x.norm() / math.sqrt(7))
    assert abs(float(layer.step_x.raw.grad - step_x)) < 0.05 * size  # the place between levels is kept in 4 bits
    assert abs(float(layer.step_w.raw.grad - step_w)) < 0.05 * float(to_w.norm() / math.sqrt(7))


def again(draws):
    """The generator that was handed out last."""
    from workbench.nets.training.batches import generator_of

    return generator_of(draws.seed, int(draws.used))


def mean_and_variance(product, chances, monkeypatch):
    """Over all outcomes of the coins, each weighted by its probability: exact, with nothing drawn."""
    first = second = 0.0
    for mask in itertools.product((False, True), repeat=len(chances)):
        coins = torch.tensor(mask)
        weight = float(torch.where(coins, chances, 1 - chances).prod())
        if weight > 0:
            monkeypatch.setattr(leverage, "draw", lambda p, generator, coins=coins: coins)
            found = product().double()
            first, second = first + weight * found, second + weight * found.square()
    return first, second - first.square()


def stacked(pieces):
    return torch.cat([14 * pieces.step * pieces.upper.double(), pieces.step * pieces.lower.double()])


@pytest.mark.parametrize("share", [0.5, 1.0, 1.5])
def test_sampled_gradients_have_their_mean_and_variance(share, rng, monkeypatch):
    pieces = split(torch.randn(4, 5, generator=rng) * torch.randn(4, 1, generator=rng).exp(), rng)
    weight, x = (torch.randint(-8, 8, shape, generator=rng).to(torch.int8) for shape in ((5, 3), (4, 6)))
    g, twice = stacked(pieces), x.double().repeat(2, 1)

    p = leverage.water_filling(leverage.scores(g), share * 4)
    assert float(p.sum()) == pytest.approx(share * 4) and float(p.min()) < 1
    each = torch.where(p > 0, (1 - p) / p, 0.0)
    mean, variance = mean_and_variance(lambda: input_gradient(pieces, weight, share, rng), p, monkeypatch)
    expected = each[:, None] * (g @ weight.double()).square()
    torch.testing.assert_close(mean, pieces.dequantize().double() @ weight.double(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(variance, expected[:4] + expected[4:], rtol=1e-3, atol=1e-3)

    p = leverage.water_filling(leverage.scores(g, twice), share * 4)
    each = torch.where(p > 0, (1 - p) / p, 0.0)
    mean, variance = mean_and_variance(lambda: weight_gradient(pieces, x, share, rng), p, monkeypatch)
    torch.testing.assert_close(mean, pieces.dequantize().double().T @ x.double(), rtol=1e-4, atol=1e-4)
    expected = torch.einsum("i,io,ik->ok", each, g.square(), twice.square())
    torch.testing.assert_close(variance, expected, rtol=1e-3, atol=1e-3)
    assert float(variance.sum()) == pytest.approx(leverage.variance(leverage.scores(g, twice), p), rel=1e-3)


def test_all_rows_are_whole_number_products(rng):
    pieces = split(torch.randn(30, 5, generator=rng), rng)
    x = torch.randint(-8, 8, (30, 6), generator=rng).to(torch.int8)
    whole = 14 * pieces.upper.long().T @ x.long() + pieces.lower.long().T @ x.long()
    assert torch.equal(weight_gradient(pieces, x, 2.0, rng), whole * pieces.step)
    weight = torch.randint(-8, 8, (5, 3), generator=rng).to(torch.int8)
    rows = (14 * pieces.upper.long() + pieces.lower.long()) @ weight.long()
    torch.testing.assert_close(input_gradient(pieces, weight, 2.0, rng), rows * pieces.step, rtol=1e-6, atol=1e-6)


def test_one_byte_keeps_code_mask_and_place(rng):
    u = torch.cat([torch.randn(4000, generator=rng) * 6, torch.tensor([-8.0, 7.0, 7.0001, -8.01, 0.5, 1.5, -0.5, 1e9])])
    codes, kept = kept_codes.rounded(u)
    back, inside, slope = kept_codes.read(kept)
    assert kept.dtype == torch.uint8 and torch.equal(back, codes) and torch.equal(codes.long(), lsq(u))
    assert torch.equal(inside > 0, (u >= -8) & (u <= 7))
    exact = torch.where(inside > 0, codes - u, codes.float())
    assert float((slope - exact).abs().max()) <= 1 / 28 + 1e-5


def test_it_keeps_one_byte_an_entry(rng):
    layer, x = layer_of(rng)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        layer(x.requires_grad_())
    owned = {p.data_ptr() for p in layer.parameters()}
    kept = [t for t in saved if t.numel() > 1 and t.data_ptr() not in owned]
    assert [(t.dtype, t.numel()) for t in kept] == [(torch.uint8, x.numel())]


def test_a_layer_of_zeros_can_start_and_errors(rng):
    linear = nn.Linear(8, 4)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
    layer = Int4Linear(linear, torch.randn(5, 8, generator=rng), Draws(rng))
    assert torch.equal(layer(torch.ones(3, 8)), torch.zeros(3, 4)) and layer.step_w.step > 0
    empty = layer(torch.zeros(0, 8, requires_grad=True))
    empty.sum().backward()
    assert empty.shape == (0, 4)
    with pytest.raises(ValueError, match="have 7 features"):
        Int4Linear(linear, torch.ones(2, 7), Draws(rng))
    with pytest.raises(ValueError, match="need to be positive"):
        Sampling(inputs=0.0)
