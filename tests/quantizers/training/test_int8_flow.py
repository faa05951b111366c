"""Operations of the 8-bit flow against their float32 forms: errors within their bounds, gradients right on average, codes kept."""

import pytest
import torch
from chance import assert_standard, z_scores
from torch import nn
from torch.nn import functional

from workbench.quantizers.training import Int8Flow, block_matmul, quantize
from workbench.quantizers.training.block_int8 import spread


def flow_of(rng, side=8):
    return Int8Flow(side, rng)


def grid(x, side=8):
    """What the flow carries of x, and its step at every entry."""
    small = quantize(x.reshape(-1, x.shape[-1]), side)
    return small.dequantize().view(x.shape), spread(small.steps.float(), small.codes.shape, side).reshape(x.shape)


LIPSCHITZ = {"silu": 1.1, "gelu": 1.13}


@pytest.mark.parametrize("name", ["silu", "gelu"])
def test_activation_is_off_by_half_a_step_in_and_out(name, rng):
    x = 3 * torch.randn(40, 24, generator=rng)
    exact = functional.silu(x) if name == "silu" else functional.gelu(x, approximate="tanh")
    found = flow_of(rng).activation(x, name)
    _, step_in = grid(x)
    carried, step_out = grid(found)
    assert torch.equal(carried, found), "what flows out is on the levels of its tiles"
    assert bool(((found - exact).abs() <= step_out / 2 + LIPSCHITZ[name] * step_in / 2 + 1e-6).all())
    slopes = torch.linspace(-8, 8, 4001, dtype=torch.float64, requires_grad=True)
    shape = functional.silu(slopes) if name == "silu" else functional.gelu(slopes, approximate="tanh")
    steepest = torch.autograd.grad(shape.sum(), slopes)[0].abs().max()
    assert LIPSCHITZ[name] - 0.02 < float(steepest) < LIPSCHITZ[name]


def test_norm_is_off_by_half_a_step_in_and_out(rng):
    """Normalization cannot stretch a difference by more than 1 / deviation, in the length of a row."""
    x = torch.randn(5, 8, 16, generator=rng)
    shift, scale = (0.2 * torch.randn(5, 1, 16, generator=rng) for _ in range(2))
    exact = functional.layer_norm(x, (16,)) * (1 + scale) + shift
    found = flow_of(rng).norm(x, shift, scale)
    rounded, step_in = grid(x)
    carried, step_out = grid(found)
    assert torch.equal(carried, found)
    deviation = torch.minimum(x.std(-1, correction=0), rounded.std(-1, correction=0))[..., None]
    reach = (1 + scale).abs().amax(-1, keepdim=True) * step_in.norm(dim=-1, keepdim=True) / 2 / deviation
    assert bool(((found - exact).norm(dim=-1, keepdim=True) <= step_out.norm(dim=-1, keepdim=True) / 2 + reach).all())
    assert float((found - exact).abs().max()) < 0.1


def test_linear_is_the_product_of_tiles_rounded(rng):
    layer = nn.Linear(24, 16)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(16, 24, generator=rng))
        layer.bias.copy_(torch.randn(16, generator=rng))
    x = torch.randn(3, 10, 24, generator=rng)
    found = flow_of(rng).linear(x, layer)
    product = block_matmul(quantize(x.view(30, 24), 8), quantize(layer.weight.detach(), 8).T) + layer.bias.detach()
    assert torch.equal(found.view(30, 16), quantize(product, 8).dequantize())


def test_add_fork_and_borders_forward(rng):
    flow, x, z = flow_of(rng), grid(torch.randn(4, 6, 8, generator=rng))[0], grid(torch.randn(4, 6, 8, generator=rng))[0]
    gate = torch.randn(4, 1, 8, generator=rng)
    assert torch.equal(flow.add(x, z, gate), grid(x + gate * z)[0])
    assert torch.equal(flow.add(x, z), grid(x + z)[0])
    assert all(torch.equal(y, x) for y in (*flow.fork(x), flow.leave(x), flow.enter(x)))
    assert not torch.equal(flow.enter(x + 0.001 * z), x + 0.001 * z)


def operations(rng, flow):
    """Name -> (operation on the carried x and other inputs, inputs that get gradients, the same in float32)."""
    layer = nn.Linear(16, 8, bias=True)
    with torch.no_grad():
        layer.weight.copy_(grid(torch.randn(8, 16, generator=rng))[0])
    x, z = (grid(torch.randn(2, 8, 16, generator=rng))[0] for _ in range(2))
    shift, scale, gate = (0.3 * torch.randn(2, 1, 16, generator=rng) for _ in range(3))
    return {
        "linear": (lambda x: flow.linear(x, layer), (x,), lambda x: functional.linear(x, layer.weight, layer.bias)),
        "activation": (lambda x: flow.activation(x, "gelu"), (x,), lambda x: functional.gelu(x, approximate="tanh")),
        "norm": (flow.norm, (x, shift, scale), lambda x, d, c: functional.layer_norm(x, (16,)) * (1 + c) + d),
        "add": (flow.add, (x, z, gate), lambda x, z, g: x + g * z),
        "fork": (lambda x: (lambda y: y[0] + 2 * y[1])(flow.fork(x)), (x,), lambda x: 3 * x),
        "leave": (flow.leave, (x,), lambda x: 1.0 * x),
    }


def flowing(shape, rng):
    """A gradient as it flows: its steps are 2^-7 exactly, so that rounding it once more changes nothing."""
    codes = torch.randint(-126, 127, (shape.numel() // shape[-1], shape[-1]), generator=rng).float()
    codes[::8, ::8] = 127
    return (codes / 128).view(shape)


@pytest.mark.parametrize("name", ["linear", "activation", "norm", "add", "fork", "leave"])
def test_gradients_are_right_on_average_and_flow_in_8_bits(name, rng):
    flow = flow_of(rng)
    small, inputs, exact = operations(rng, flow)[name]
    inputs = [x.requires_grad_() for x in inputs]
    out = small(*inputs)
    grad = flowing(out.shape, rng)
    wanted = torch.autograd.grad(exact(*inputs), inputs, grad)
    carried = quantize(wanted[0].view(-1, wanted[0].shape[-1]), 8, steps=torch.bfloat16)
    step = spread(carried.steps.double(), carried.codes.shape, 8).view(wanted[0].shape)
    repeats, totals = 80, [0.0] * len(inputs)
    for _ in range(repeats):
        found = torch.autograd.grad(small(*inputs), inputs, grad)
        totals = [total + g.double() for total, g in zip(totals, found, strict=True)]
    one = found[0].view(-1, found[0].shape[-1])
    levels = one / spread(quantize(wanted[0].view(one.shape), 8, steps=torch.bfloat16).steps.float(), one.shape, 8)
    if name != "add":  # the stream passes through an addition as it came
        assert float((levels - levels.round()).abs().max()) < 1e-3
        f = (wanted[0].double() / step) % 1
        f = torch.where((f < 1e-4) | (f > 1 - 1e-4), 0.0, f)
        moving = (f > 0) & (f * (1 - f) > 0.02)
        z = z_scores(totals[0][moving], repeats, wanted[0][moving], (step**2 * f * (1 - f))[moving])
        if len(z):
            assert_standard(z)
    for total, exactly in zip(totals[1:], wanted[1:], strict=True):
        size = 5 * 0.5 * float(step.max()) * exactly.new_ones(()).item() / repeats**0.5 + 1e-4
        assert float((total / repeats - exactly).abs().max()) < max(size, 1e-3)


def test_weight_and_bias_gradients_of_a_linear_layer(rng):
    """Whole products of codes: the gradient of the weight is G^T X for the rounded G, which is right on average."""
    flow, layer = flow_of(rng), nn.Linear(16, 8)
    x = grid(torch.randn(40, 16, generator=rng))[0]
    grad = torch.randn(40, 8, generator=rng)
    step = spread(quantize(grad, 8, steps=torch.bfloat16).steps.double(), grad.shape, 8)
    f = (grad.double() / step) % 1
    variance = step**2 * f * (1 - f)
    repeats, total, bias = 80, 0.0, 0.0
    for _ in range(repeats):
        layer.zero_grad()
        flow.linear(x, layer).backward(grad)
        total, bias = total + layer.weight.grad.double(), bias + layer.bias.grad.double()
    each = variance.T @ x.double().square()
    assert_standard(z_scores(total, repeats, grad.double().T @ x.double(), each), independent=60)
    assert_standard(z_scores(bias, repeats, grad.double().sum(0), variance.sum(0)), independent=8)


def test_only_8_bits_are_kept(rng):
    flow = flow_of(rng, side=32)
    layer = nn.Linear(64, 64)
    x = torch.randn(32, 64, generator=rng, requires_grad=True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        a, b = flow.fork(flow.enter(x))
        flow.leave(flow.add(a, flow.linear(flow.activation(b, "silu"), layer)))
    kept = [t for t in saved if t.data_ptr() != layer.weight.data_ptr() and t.numel() > 1]
    assert sum(t.numel() for t in kept if t.dtype == torch.int8) == 3 * 32 * 64
    rest = [t for t in kept if t.dtype != torch.int8]
    assert {t.dtype for t in rest} == {torch.float16} and sum(t.numel() for t in rest) == 3 * 2


def test_errors(rng):
    with pytest.raises(ValueError, match="no activation 'relu'; there are silu, gelu"):
        flow_of(rng).activation(torch.ones(2, 2), "relu")
    with pytest.raises(ValueError, match="side is 0"):
        flow_of(rng, side=0)
