"""What autograd saves, in few bits: the account, the gradients, and what is left alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import workbench as wb
from workbench.quantizers import packing
from workbench.quantizers.saved_tensors import compressed


def gradient(net, x, memory=None):
    net.zero_grad()
    if memory is None:
        net(x).square().mean().backward()
    else:
        with memory:
            loss = net(x).square().mean()
        loss.backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


def linear(rng, *widths, between=nn.Identity):
    layers = []
    for a, b in zip(widths, widths[1:], strict=False):
        layer = nn.Linear(a, b)
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_(torch.randn(p.shape, generator=rng) / a**0.5)
        layers += [layer, between()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("bits", [1, 4])
def test_the_mean_gradient_of_linear_maps_is_exact_and_its_variance_is_the_formula(bits, rng):
    """Two layers on inputs with a gradient; the loss is linear, so what flows back is exact and dW = g^T x again."""
    first, second = linear(rng, 8, 16), linear(rng, 16, 4)
    x, weight = torch.randn(100, 8, generator=rng), torch.randn(100, 4, generator=rng)
    h = first(x)
    memory = compressed(second, bits, group=64, generator=rng, smallest=0)
    repeats, draws = 200, []
    for _ in range(repeats):
        with memory:
            loss = (second(h) * weight).sum()
        draws.append(torch.autograd.grad(loss, second[0].weight)[0])
    found = torch.stack(draws)
    steps = memory.quantizer(bits).choose(h.detach().flatten())
    spread = steps.step.repeat_interleave(64)[: h.numel()]
    u = (h.detach().flatten() - steps.start.repeat_interleave(64)[: h.numel()]) / spread
    f = u - u.floor()
    variance = weight.square().T @ (f * (1 - f) * spread**2).view(100, 16)
    z = (found.mean(0) - weight.T @ h.detach()) / (variance / repeats).sqrt()
    assert z.abs().max() < 5 and 0.5 < z.square().mean() < 1.6  # 64 entries
    assert (found.var(0) / variance).mean().sub(1).abs() < 5 * (2 / repeats / 16) ** 0.5
    reach = spread * (2**bits - 1)
    assert (variance <= weight.square().T @ (reach**2 / (4 * (2**bits - 1) ** 2)).view(100, 16)).all()


def test_rounding_to_nearest_has_a_mean_error(rng):
    net = linear(rng, 8, 16, 4)
    x = torch.randn(300, 8, generator=rng)
    exact = gradient(net, x)
    off = {}
    for rounding in ("nearest", "stochastic"):
        memory = compressed(net, 1, generator=rng, rounding=rounding)
        mean = torch.stack([gradient(net, x, memory) for _ in range(20)]).mean(0)
        off[rounding] = float((mean - exact).norm() / exact.norm())
    assert off["nearest"] > 2 * off["stochastic"]


@given(n=st.integers(0, 600), bits=st.sampled_from([1, 2, 3, 4, 8, 16]), group=st.sampled_from([1, 32, 256]))
@settings(max_examples=25, deadline=None)
def test_bytes_are_the_formula(n, bits, group):
    rng = torch.Generator().manual_seed(n)
    h = torch.randn(n, generator=rng).requires_grad_() * 2
    memory = compressed(nn.Identity(), bits, group=group, generator=rng, smallest=0)
    with memory:
        y = h.exp()
    (saved,) = memory.saved
    assert saved.before == 4 * n and saved.after == packing.nbytes(n, bits) + 8 * -(-n // group) == memory.nominal(saved)
    assert bits not in (1, 2, 4, 8, 16) or packing.nbytes(n, bits) == -(-n * bits // 8)
    assert memory.held == saved.after
    y.sum().backward()
    del y
    assert memory.held == 0


def test_bytes_of_a_network_and_names(rng):
    net = linear(rng, 32, 64, 64, 8, between=nn.SiLU)
    x = torch.randn(64, 32, generator=rng)
    memory = compressed(net, 4, generator=rng)
    with memory:
        loss = net(x).square().mean()
    table = {saved.name: (saved.stored_as, saved.before, saved.after) for saved in memory.saved}
    codes = 64 * 64 // 2 + 8 * 16
    assert table["0:0"] == ("no gradient", 8192, 8192)
    assert table["1:0"] == table["2:0"] == table["3:0"] == table["4:0"] == ("codes", 16384, codes)
    assert [name for name, row in table.items() if row[0] == "parameter"] == ["2:1", "4:1"]
    assert table["outside:0"][0] == "few numbers" and len(table) == 8
    assert memory.before == memory.storage_before == 8192 + 4 * 16384 + 2048 and memory.after == 8192 + 4 * codes + 2048
    assert memory.held == 4 * codes and all(
        memory.nominal(saved) == saved.after for saved in memory.saved if saved.stored_as != "again"
    )
    assert [saved.made_by for saved in memory.saved][:3] == ["", "Addmm", "Silu"]
    loss.backward()


def test_the_same_memory_is_stored_once(rng):
    h = torch.randn(64, 64, generator=rng).requires_grad_() * 2
    memory = compressed(nn.Identity(), 4, generator=rng)
    with memory:
        loss = h.exp().sum() * 0 + h.square().sum() + h.mT.square().sum() + h.flatten().square().sum()
    assert [saved.stored_as for saved in memory.saved] == ["codes", "codes", "again", "again"]  # exp keeps its result
    assert memory.before == 2 * 4 * 64 * 64 and memory.held == memory.after == 2 * (64 * 64 // 2 + 8 * 16)
    (found,) = torch.autograd.grad(loss, h)
    assert (found - 6 * h).abs().max() <= 6 * (h.max() - h.min()) / 15
    assert len(found.flatten()[:256].unique()) <= 16  # every use sees the same rounded numbers


def test_a_change_in_place_is_not_the_same_memory(rng):
    h = torch.randn(40, 40, generator=rng).requires_grad_() * 1
    with compressed(nn.Identity(), 16, generator=rng, smallest=0) as memory:
        a = h.square().sum()
        h.mul_(3.0)
        b = h.square().sum()
    assert [saved.stored_as for saved in memory.saved] == ["codes", "codes"]
    grads = torch.autograd.grad(a + b, h)
    assert (grads[0] - 2 * h).abs().max() < 1e-2


def test_what_is_left_alone(rng):
    net = linear(rng, 64, 64)
    h = net(torch.randn(64, 64, generator=rng))
    with compressed(net, 4, generator=rng) as memory:
        kept = {
            "parameter": lambda: F.linear(h[:1], net[0].weight),
            "no gradient": lambda: h * torch.ones(64, 64),
            "few numbers": lambda: h[:2].exp(),
            "not finite": lambda: (h / 0).exp(),
            "not floating": lambda: h[torch.randint(64, (2000,), generator=rng)],
        }
        for why, call in kept.items():
            memory.saved.clear()
            call()
            assert why in [saved.stored_as for saved in memory.saved], why
            assert all(saved.before == saved.after for saved in memory.saved if saved.stored_as == why)


def test_masks_have_one_bit_and_are_exact(rng):
    h = torch.randn(100, 100, generator=rng).requires_grad_() * 1
    mask = torch.rand(100, 100, generator=rng) < 0.3
    with compressed(nn.Identity(), 4, generator=rng) as memory:
        y = torch.where(mask, h, h * 2)
    assert [(saved.stored_as, saved.before, saved.after) for saved in memory.saved if saved.dtype == torch.bool] == [
        ("mask", 10000, 1250)
    ]
    assert torch.equal(torch.autograd.grad(y.sum(), h)[0], torch.where(mask, 1.0, 2.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_and_shape_come_back(dtype, rng):
    h = torch.randn(33, 50, generator=rng).to(dtype).requires_grad_() * 1
    seen = []
    memory = compressed(nn.Identity(), 8, generator=rng, smallest=0)
    with memory:
        y = h.mT.square()
    saved = y.grad_fn._saved_self
    seen.append(saved)
    assert saved.dtype == dtype and saved.shape == (50, 33) and memory.saved[0].before == 1650 * dtype.itemsize
    assert (saved - h.mT).abs().max() < 0.06


@pytest.mark.parametrize("values", [[0.0] * 2000, [5.0] * 2000, [1e30, -1e30] * 1000, [1e-40] * 2000, [3.0]])
def test_extreme_numbers(values, rng):
    h = torch.tensor(values).requires_grad_() * 1
    with compressed(nn.Identity(), 2, generator=rng, smallest=0):
        y = h.square()
    restored = y.grad_fn._saved_self
    assert restored.isfinite().all() and ((restored - h).abs() <= (h.max() - h.min()) / 3 * 1.001).all()


@pytest.mark.parametrize("reentrant", [True, False])
def test_inside_and_outside_of_checkpoints(reentrant, rng):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.outside = linear(rng, 32, 32, 32, between=nn.SiLU), linear(rng, 32, 32, 4, between=nn.SiLU)

        def forward(self, x):
            return self.outside(checkpoint(self.inside, x, use_reentrant=reentrant))

    net = Net()
    x = torch.randn(64, 32, generator=rng).requires_grad_()
    exact = gradient(net, x)
    memory = compressed(net, 16, generator=rng)
    with memory:
        net.zero_grad()
        net(x).square().mean().backward()  # what is computed again runs inside, too
    found = torch.cat([p.grad.flatten() for p in net.parameters()])
    assert (found - exact).norm() < 1e-3 * exact.norm()
    names = {saved.name.split(":")[0] for saved in memory.saved if saved.stored_as == "codes"}
    assert any(name.startswith("outside") for name in names)


def test_bits_by_name_and_full_precision(rng):
    net = linear(rng, 32, 64, 64, 8, between=nn.SiLU)
    x = torch.randn(64, 32, generator=rng)
    memory = compressed(net, {"1:0": 2, "2:0": 32}, generator=rng)
    gradient(net, x, memory)
    assert {saved.name: saved.bits for saved in memory.saved if saved.stored_as == "codes"} == {"1:0": 2, "3:0": 8, "4:0": 8}
    assert {saved.name: saved.stored_as for saved in memory.saved}["2:0"] == "full precision"
    memory.default, memory.bits = 32, {}
    assert torch.equal(gradient(net, x, memory), gradient(net, x))
    assert memory.before == memory.after
    first = [saved.name for saved in memory.saved]
    gradient(net, x, memory)
    assert [saved.name for saved in memory.saved] == first  # the same names in every pass


def test_the_same_generator_makes_the_same_gradient(rng):
    net, x = linear(rng, 32, 64, 8, between=nn.SiLU), torch.randn(64, 32, generator=rng)
    a, b = (gradient(net, x, compressed(net, 2, generator=torch.Generator().manual_seed(7))) for _ in range(2))
    assert torch.equal(a, b) and not torch.equal(a, gradient(net, x))


def test_a_tensor_kept_as_it_is_must_not_change(rng):
    h = torch.randn(4, 4, generator=rng).requires_grad_() * 1
    with compressed(nn.Identity(), 4, generator=rng):
        loss = h.square().sum()
    h.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place after it was saved"):
        loss.backward()


def test_a_denoiser_will_do_and_hooks_are_gone_afterwards(rng):
    net = wb.nets.MLP(2, generator=rng)
    model = wb.NetworkDenoiser(net, wb.schedules.Rectified(), "velocity")
    memory = compressed(model, 4, generator=rng)
    with pytest.raises(ZeroDivisionError), memory:
        raise ZeroDivisionError
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    with memory, pytest.raises(RuntimeError, match="open already"), memory:
        pass


def test_the_largest_number_of_a_group_never_gets_a_code_too_many(rng):
    """A packing kernel in use rounds u + noise - 1/2 with noise in (0, 1]: at the largest number that is 15.5, and rounds to 16."""
    x, low, high, levels = (torch.tensor(v, dtype=torch.float32) for v in (200.0, 0.0, 200.0, 15.0))
    u = (x - low) * (levels / (high - low + 2e-6))
    assert int((u + torch.tensor(1.0) - 0.5).round()) == 16
    noise = 1 - torch.rand(1 << 20, generator=rng)
    quantizer = compressed(nn.Identity(), 4, group=2, generator=rng).quantizer(4)
    ends = torch.tensor([0.0, 200.0]).repeat(1 << 20)
    overflows, top = 0, 0
    for _ in range(10):
        overflows += int(((u + noise.uniform_(generator=rng).neg_().add_(1) - 0.5).round() == 16).sum())
        codes = quantizer.encode(ends, rng)[0]
        top = max(top, int(codes.max()))
        assert torch.equal(codes[:2], torch.tensor([0, 15], dtype=torch.uint8)) and int(codes[1::2].min()) == 15
    assert top == 15 and overflows > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bits": 0}, "1 to 16 bits, or 32"),
        ({"bits": 17}, "1 to 16 bits, or 32"),
        ({"bits": {"a": 64}}, "1 to 16 bits, or 32"),
        ({"default": 0}, "1 to 16 bits, or 32"),
        ({"group": 0}, "at least 1 number"),
        ({"smallest": -1}, "0 or more"),
        ({"rounding": "up"}, "choose one of"),
        ({"generator": None}, "draws numbers"),
    ],
)
def test_errors(arguments, words, rng):
    with pytest.raises(ValueError, match=words):
        compressed(nn.Identity(), **{"generator": rng, **arguments})


def test_no_network(rng):
    with pytest.raises(TypeError):
        compressed(3, generator=rng)
