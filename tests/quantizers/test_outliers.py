"""Hadamard, smoothing, branch: the function stays, outliers shrink, and rounding loses less."""

import copy
import math

import pytest
import torch
from torch import nn

from workbench.artifacts import quantized_networks
from workbench.nets import MLP, DiT, UNet
from workbench.quantizers import Affine, LearnedStep, branched, calibrate, hadamard, layers_of, quantized, rotated, smoothed
from workbench.quantizers.hadamard import block_size
from workbench.quantizers.wrapped import wrapped_as


def nets():
    made = torch.Generator().manual_seed(0)
    found = [
        MLP(2, width=24, depth=3, generator=made),
        UNet(widths=(16, 32), blocks=1, emb=16, side=8, generator=made),
        DiT(patch=2, width=16, depth=1, heads=2, emb=16, side=8, generator=made),
    ]
    with torch.no_grad():
        for net in found:
            for p in net.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=made))
    return [net.requires_grad_(False) for net in found]


every_net = pytest.mark.parametrize("net", nets(), ids=lambda net: type(net).__name__)


def inputs(net, seed=1):
    made = torch.Generator().manual_seed(seed)
    return torch.randn((4, 2) if isinstance(net, MLP) else (4, 3, 8, 8), generator=made), torch.linspace(0.1, 0.9, 4)


@pytest.mark.parametrize("size", [1, 2, 4, 16, 64, 128])
def test_the_matrix_is_orthogonal_symmetric_and_of_signs(size, rng):
    matrix = hadamard(torch.eye(size, dtype=torch.float64), size)
    tolerance = 0.0 if math.log2(size) % 2 == 0 else 1e-12
    assert (matrix @ matrix - torch.eye(size)).abs().max() <= tolerance
    assert torch.equal(matrix, matrix.T)
    torch.testing.assert_close(matrix.abs(), torch.full_like(matrix, size**-0.5))
    if size == 4:
        assert (2 * matrix).tolist() == [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    x = torch.randn(3, 2 * size, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(hadamard(x, size), torch.cat([part @ matrix for part in x.split(size, 1)], 1))


def test_a_spike_is_spread_evenly():
    x = torch.zeros(64)
    x[17] = 40.0
    assert torch.equal(hadamard(x, 64).abs(), torch.full((64,), 5.0))


def test_sizes():
    assert [block_size(n, 64) for n in (256, 96, 80, 7, 2)] == [64, 32, 16, 1, 2]
    for size in (3, 8):
        with pytest.raises(ValueError, match="power of two that divides"):
            hadamard(torch.zeros(12), size)
    with pytest.raises(ValueError, match="at least 1"):
        block_size(4, 0)


def transformed(net):
    ranges = calibrate(net, lambda m: m(*inputs(net)), each_channel=True)
    smooth = smoothed(net, ranges)
    return {
        "smoothed": smooth,
        "rotated": rotated(net, 16),
        "branched": branched(net, 3),
        "all": branched(rotated(smooth, 16), 2),
    }


@every_net
def test_the_function_stays(net):
    before = copy.deepcopy(net.state_dict())
    for name, other in transformed(net).items():
        expected = net(*inputs(net, 7))
        assert (other(*inputs(net, 7)) - expected).abs().max() < 3e-5 * expected.abs().max(), name
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@every_net
def test_they_can_be_quantized(net):
    for other in transformed(net).values():
        small = quantized(other, weights=Affine(bits=8, block=(1, -1)), activations=Affine(bits=8, block=(-1,)))
        assert len(list(layers_of(small))) == 0
        expected = net(*inputs(net))
        off = (small(*inputs(net)) - expected).abs().max()
        assert 0 < off < 0.05 * expected.abs().max()


@every_net
@pytest.mark.parametrize("kind", ["smoothed", "rotated", "branched", "all", "learned"])
def test_files(net, kind):
    """What is around the layers travels with them, to the byte."""
    other = (
        transformed(net)[kind] if kind != "learned" else rotated(net, 16, learned={last_name(net): torch.eye(size_of(net)).flip(0)})
    )
    small = quantized(other, weights=Affine(bits=4, block=(1, 8)), activations=Affine(bits=8, block=(-1,)), keep=first_name(other))
    content = quantized_networks.pack(small, preconditioning="edm")
    assert len(content) == 8 + int.from_bytes(content[:8], "little") + quantized_networks.content_nbytes(small)
    back, about = quantized_networks.unpack(content)
    assert about == {"preconditioning": "edm"} and quantized_networks.pack(back, **about) == content
    for name, value in small.state_dict().items():
        exact = "weight:" in name or name.endswith((".scale", ".matrix"))
        assert torch.equal(back.state_dict()[name], value if exact else value.half().float()), name
    expected = small(*inputs(net))
    assert (back(*inputs(net)) - expected).abs().max() < 0.03 * expected.abs().max()  # the rest of the weights is in 16 bits


def first_name(net):
    return [next(iter(layers_of(net)))[0]]


def last_name(net):
    return list(layers_of(net))[-1][0]


def size_of(net):
    return list(layers_of(net))[-1][1].weight.shape[1]


def test_bytes_of_what_is_around():
    """Scales and learned rotations in 4 bytes a number, branches in 2, a Hadamard rotation nothing."""
    net, four = nets()[0], Affine(bits=4, block=(1, -1))
    plain = quantized_networks.content_nbytes(quantized(net, weights=four))
    inputs_of = [layer.weight.shape[1] for _, layer in layers_of(net)]
    seen = calibrate(net, lambda m: m(*inputs(net)), each_channel=True)
    assert quantized_networks.content_nbytes(quantized(smoothed(net, seen), weights=four)) == plain + 4 * sum(inputs_of)
    assert quantized_networks.content_nbytes(quantized(rotated(net), weights=four)) == plain
    learned = quantized(rotated(net, learned={"hidden.0": torch.eye(12)}), weights=four)
    assert quantized_networks.content_nbytes(learned) == plain + 4 * 144
    branch = quantized(branched(net, 3), weights=four)
    sides = [sum(layer.weight.shape) for _, layer in layers_of(net) if min(layer.weight.shape) > 6]
    assert len(sides) == 3 and quantized_networks.content_nbytes(branch) == plain + 2 * 3 * sum(sides)


def test_what_a_file_cannot_hold_is_refused():
    net = quantized(nets()[0], weights=Affine(bits=4))
    net.extra = LearnedStep(torch.ones(3))
    with pytest.raises(ValueError, match="extra is a LearnedStep, which a file cannot hold"):
        quantized_networks.pack(net)
    with pytest.raises(ValueError, match="'Painted' around a layer is not known"):
        wrapped_as(nn.Linear(2, 2), {"kind": "Painted"})


def test_a_refined_branch_loses_less_and_stays_the_function():
    net, four = nets()[1], Affine(bits=3, block=(1, 16))
    plain, better = (branched(net, 3, rest) for rest in (None, four))
    expected = net(*inputs(net, 7))
    assert (better(*inputs(net, 7)) - expected).abs().max() < 3e-5 * expected.abs().max()
    for (name, one), (_, two) in zip(layers_of(plain), layers_of(better), strict=True):
        lost = [float((four.simulate(w) - w).norm()) for w in (one.weight.flatten(1), two.weight.flatten(1))]
        assert lost[1] <= lost[0], name
    assert lost_anywhere(plain, better)


def lost_anywhere(plain, better):
    pairs = zip(layers_of(plain), layers_of(better), strict=True)
    return any(not torch.equal(one.weight, two.weight) for (_, one), (_, two) in pairs)


def test_smoothing_meets_in_the_middle():
    net = nets()[0]
    ranges = calibrate(net, lambda m: m(*inputs(net)), each_channel=True)
    inner = smoothed(net, ranges).hidden[0].inner
    scale = smoothed(net, ranges).hidden[0].scale
    seen = torch.maximum(-ranges.low["hidden.0"], ranges.high["hidden.0"]).amax(0)
    weights = net.hidden[0].weight.abs().amax(0)
    torch.testing.assert_close(inner.weight.abs().amax(0), (seen * weights).sqrt())
    torch.testing.assert_close(seen / scale, (seen * weights).sqrt())
    alone = smoothed(net, ranges, alpha=1.0).hidden[0]
    torch.testing.assert_close(seen / alone.scale, torch.ones_like(seen))


def test_the_branch_is_the_best_of_its_rank():
    net = nets()[1]
    for (name, layer), (_, rest) in zip(layers_of(net), layers_of(branched(net, 3)), strict=True):
        matrix, left = layer.weight.flatten(1), rest.weight.flatten(1)
        if min(matrix.shape) <= 6:
            assert torch.equal(matrix, left), name
            continue
        values = torch.linalg.svdvals(matrix)
        torch.testing.assert_close(left.square().sum(), values[3:].square().sum(), rtol=1e-4, atol=1e-6)
        assert torch.linalg.matrix_rank(matrix - left, rtol=1e-4) == 3


class One(nn.Module):
    """A network of one layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, times):
        return self.layer(x)


def test_with_planted_outliers(rng):
    """Four of 256 channels are 30 times as large.  Relative error of the output with 4-bit weights and activations: every remedy helps."""
    x = torch.randn(512, 256, generator=rng)
    x[:, [3, 70, 130, 200]] *= 30
    layer = nn.Linear(256, 256, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(256, 256, generator=rng) / 16)
    net, times = One(layer).requires_grad_(False), torch.zeros(512)
    ranges = calibrate(net, lambda m: m(x, times), each_channel=True)
    exact = net(x, times)

    def error(other, block=None, bits=4):
        small = quantized(other, weights=Affine(bits=bits, block=(1, -1)), activations=Affine(bits=bits, block=block))
        return float((small(x, times) - exact).norm() / exact.norm())

    smooth = smoothed(net, ranges)
    found = {
        "tensor": error(net),
        "token": error(net, (-1,)),
        "rotated": error(rotated(net, 64)),
        "rotated, token": error(rotated(net, 64), (-1,)),
        "smoothed": error(smooth),
        "branch": error(branched(smooth, 16)),
    }
    expected = {"tensor": 0.315, "token": 0.272, "rotated": 0.253, "rotated, token": 0.159, "smoothed": 0.276, "branch": 0.184}
    assert found == pytest.approx(expected, rel=0.15)
    assert found["tensor"] > found["token"] > found["rotated, token"]
    assert found["smoothed"] > found["branch"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: smoothed(net, calibrate(net, lambda m: m(*inputs(net)))), "each_channel=True"),
        (lambda net: smoothed(net, calibrate(net, lambda m: m(*inputs(net)), each_channel=True), alpha=2), "between 0 and 1"),
        (lambda net: branched(net, 0), "at least 1"),
        (lambda net: rotated(net, 0), "at least 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(nets()[0])
