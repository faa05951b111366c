"""Parts with steps of their own: equal to quantizing them apart, never a larger bound, bytes exact, and in networks and files."""

import pytest
import torch

from workbench.artifacts import quantized_networks
from workbench.nets import MLP
from workbench.quantizers import Affine, Split, nf4, quantized
from workbench.quantizers.description import describe, from_description


def halves(rng):
    x = torch.randn(6, 10, generator=rng)
    x[:, 4:] *= 40
    return x


@pytest.mark.parametrize(
    "inner",
    [Affine(bits=4), Affine(bits=3, block=(1, -1), zero="integer"), Affine(bits=6, block=(4,), zero="free"), nf4(True)],
    ids=str,
)
def test_it_is_the_parts_apart(inner, rng):
    x, split = halves(rng), Split(inner=inner, sizes=(4, 6))
    apart = torch.cat([inner.simulate(x[:, :4]), inner.simulate(x[:, 4:])], 1)
    assert torch.equal(split.simulate(x), apart)
    small = split.quantize(x)
    assert torch.equal(small.dequantize(), apart)
    steps = inner.nbytes((6, 4)) - 6 * 4 * inner.bits // 8 + inner.nbytes((6, 6)) - -(-6 * 6 * inner.bits // 8)
    assert small.nbytes == split.nbytes((6, 10)) == -(-60 * inner.bits // 8) + steps
    assert from_description(describe(split)) == split and split.bits == inner.bits


def test_its_bound_is_never_larger_than_the_joint_one_and_the_small_half_gains(rng):
    x = halves(rng)
    joint, split = Affine(bits=4), Split(inner=Affine(bits=4), sizes=(4, 6))
    bound = joint.choose(x).step / 2
    off = (split.simulate(x) - x).abs()
    assert bool((off <= bound * 1.0001).all())
    assert off[:, :4].max() < 0.1 * (joint.simulate(x) - x).abs()[:, :4].max()


def test_chance_draws_for_both_parts(rng):
    split = Split(inner=Affine(bits=3, rounding="stochastic"), sizes=(4, 6))
    x = halves(rng)
    assert not torch.equal(split.simulate(x, rng), split.simulate(x, rng))
    with pytest.raises(ValueError, match="generator="):
        split.simulate(x)


def test_in_a_network_and_a_file(rng):
    net = MLP(2, width=24, depth=2, generator=rng).requires_grad_(False)
    net.last.weight.normal_(generator=rng)
    split = Split(inner=Affine(bits=8, block=(-1,)), sizes=(8, 16))
    small = quantized(net, weights={"hidden.0": split}, activations={"hidden.0": split})
    x, t = torch.randn(5, 2, generator=rng), torch.linspace(0.1, 0.9, 5)
    content = quantized_networks.pack(small)
    back, _ = quantized_networks.unpack(content)
    assert torch.equal(back.hidden[0].weight, small.hidden[0].weight)
    assert len(content) == 8 + int.from_bytes(content[:8], "little") + quantized_networks.content_nbytes(small)
    assert 0 < (small(x, t) - net(x, t)).abs().max() < 0.2
    torch.testing.assert_close(back(x, t), small(x, t), rtol=0, atol=2e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Split(sizes=()), "widths of the parts"),
        (lambda: Split(sizes=(3, 0)), "at least 1"),
        (lambda: Split(sizes=(3, 2)).simulate(torch.ones(2, 6)), "5 entries together"),
        (lambda: Split(sizes=(3, 2)).simulate(torch.tensor(1.0)), "5 entries together"),
        (lambda: Split(sizes=(3, 2)).nbytes((2, 6)), "5 entries together"),
        (lambda: Split(sizes=(1, 2)).simulate(torch.tensor([1.0, float("nan"), 2.0])), "NaN"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
