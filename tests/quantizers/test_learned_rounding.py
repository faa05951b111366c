"""Rounding that is learned: starts at the weight itself, ends within one level, and loses less of what a layer computes."""

import itertools

import pytest
import torch
from torch import nn

from workbench.nets import MLP, UNet
from workbench.quantizers import Affine, LearnedRounding, layers_of, learn_rounding, learned_roundings, nf4, quantized
from workbench.quantizers.learned_rounding import rows_of

FORMS = [Affine(bits=4, block=(1, -1)), Affine(bits=3, zero="integer"), Affine(bits=2, block=(1, 4), zero="free"), Affine(bits=12)]
forms = pytest.mark.parametrize("quantizer", FORMS, ids=str)


@forms
def test_it_starts_at_the_weight_itself(quantizer, rng):
    w = torch.randn(5, 8, generator=rng)
    soft = LearnedRounding(w, quantizer)
    slack = 1e-4 * quantizer.choose(w).step.max() + 1e-6
    off = (soft() - w).abs()
    within = (
        slack if quantizer.zero != "integer" else quantizer.choose(w).step / 2 + slack
    )  # there an end can lie outside the codes
    assert bool((off <= within).all())
    assert bool((soft.share >= 0).all() and (soft.share <= 1).all())


@forms
def test_every_entry_ends_at_a_level_beside_it(quantizer, rng):
    w = torch.randn(5, 8, generator=rng)
    soft = LearnedRounding(w, quantizer)
    with torch.no_grad():
        soft.raw.add_(5 * torch.randn(w.shape, generator=rng))
    hard, nearest = soft.quantized(), quantizer.quantize(w)
    assert int((hard.codes.int() - nearest.codes.int()).abs().max()) <= 1
    step = quantizer.choose(w).step
    assert bool(
        ((hard.dequantize() - w).abs() <= 1.001 * step.max() + (step.max() / 2 if quantizer.zero == "integer" else 0)).all()
    )
    assert hard.nbytes == nearest.nbytes
    assert torch.equal(LearnedRounding(w, quantizer).quantized().dequantize(), nearest.dequantize()) or quantizer.bits == 12


def test_the_stretched_sigmoid_reaches_both_ends_and_is_undecided_between():
    soft = LearnedRounding(torch.tensor([[0.0, 1.0, 7.0]]), Affine(bits=4))
    with torch.no_grad():
        soft.raw.copy_(torch.tensor([[-3.0, 0.0, 3.0]]))
    assert soft.share.tolist() == [[0.0, 0.5, 1.0]]
    torch.testing.assert_close(soft.undecided(2.0), torch.tensor(1 / 3))


def test_on_few_weights_it_finds_what_trying_all_finds(rng):
    """Seven weights up or down: 128 ways.  Correlated inputs, where the nearest is not the best."""
    w = torch.randn(1, 7, generator=rng)
    x = torch.randn(200, 2, generator=rng) @ torch.randn(2, 7, generator=rng) + 0.1 * torch.randn(200, 7, generator=rng)
    gram, quantizer = x.T @ x / len(x), Affine(bits=3)

    def lost(found):
        return float(((found - w) @ gram * (found - w)).sum())

    step = quantizer.choose(w).step
    below = (w / step).floor()
    ways = [(below + torch.tensor(up).view(1, -1)).clamp(-3, 3) * step for up in itertools.product((0.0, 1.0), repeat=7)]
    errors = sorted(map(lost, ways))
    found = lost(learn_rounding(w, gram, quantizer, steps=120, pull=1.0).dequantize())
    assert found <= errors[6] and found < 0.1 * lost(quantizer.simulate(w))


def test_a_layer_loses_less_and_never_more(rng):
    x = torch.randn(400, 6, generator=rng) @ torch.randn(6, 24, generator=rng) + 0.3 * torch.randn(400, 24, generator=rng)
    w, gram = torch.randn(16, 24, generator=rng), x.T @ x
    for bits, most in ((2, 0.7), (4, 0.6)):
        quantizer = Affine(bits=bits, block=(1, -1))
        errors = [
            ((z - w) @ x.T).square().sum()
            for z in (learn_rounding(w, gram, quantizer, steps=100).dequantize(), quantizer.simulate(w))
        ]
        assert errors[0] < most * errors[1]
        assert torch.equal(learn_rounding(w, gram, quantizer, steps=0).dequantize(), quantizer.simulate(w))
    white = learn_rounding(w, torch.eye(24), Affine(bits=4, block=(1, -1)), steps=50)
    assert torch.equal(white.dequantize(), Affine(bits=4, block=(1, -1)).simulate(w))  # nothing beats the nearest


@pytest.mark.parametrize(
    ("net", "names"),
    [
        (MLP(2, width=24, depth=2, generator=torch.Generator().manual_seed(1)), ["first", "hidden.0"]),
        (
            UNet(widths=(16,), blocks=1, emb=16, side=8, generator=torch.Generator().manual_seed(1)),
            ["down.0.0.conv_in", "up.0.1.qkv"],
        ),
    ],
    ids=["MLP", "UNet"],
)
def test_in_a_network(net, names, rng):
    net = net.requires_grad_(False)
    x, t = torch.randn(16, *((2,) if isinstance(net, MLP) else (3, 8, 8)), generator=rng), torch.rand(16, generator=rng)
    quantizer = Affine(bits=3, block=(1, -1))
    found = learned_roundings(net, lambda m: m(x, t), dict.fromkeys(names, quantizer), steps=60)
    assert list(found) == names
    seen = {}
    layers = dict(layers_of(net))
    hooks = [
        layers[name].register_forward_hook(lambda layer, args, out, name=name: seen.update({name: (args[0], out)}))
        for name in names
    ]
    net(x, t)
    for hook in hooks:
        hook.remove()
    small, plain = quantized(net, weights=found), quantized(net, weights=dict.fromkeys(names, quantizer))
    for name in names:
        given, exact = seen[name]
        errors = [(other.get_submodule(name)(given) - exact).norm() for other in (small, plain)]
        assert errors[0] < 0.95 * errors[1], name
    assert not any(layer._forward_pre_hooks for layer in layers.values())


def test_rows_are_what_a_layer_multiplies(rng):
    conv = nn.Conv2d(3, 5, 3, stride=2, padding=1, dilation=1, bias=False)
    x = torch.randn(2, 3, 8, 8, generator=rng)
    rows = rows_of(conv, x)
    torch.testing.assert_close((rows @ conv.weight.flatten(1).T).view(2, 16, 5).transpose(1, 2).reshape(2, 5, 4, 4), conv(x))
    assert rows_of(nn.Linear(3, 2), torch.ones(4, 7, 3)).shape == (28, 3)


def test_errors(rng):
    net = MLP(2, width=24, depth=2, generator=rng)
    with pytest.raises(TypeError, match="give an Affine, got Codebook"):
        LearnedRounding(torch.ones(2, 2), nf4())
    with pytest.raises(ValueError, match="NaN"):
        LearnedRounding(torch.full((2, 2), float("nan")), FORMS[0])
    with pytest.raises(ValueError, match="without NaN or infinity"):
        learn_rounding(torch.ones(2, 3), torch.full((3, 3), float("inf")), FORMS[0])
    with pytest.raises(ValueError, match="at least 0"):
        learn_rounding(torch.ones(2, 3), torch.eye(3), FORMS[0], steps=-1)
    with pytest.raises(ValueError, match="the run never used first"):
        learned_roundings(net, lambda m: None, {"first": FORMS[0]})
    with pytest.raises(ValueError, match="in 2 groups"):
        rows_of(nn.Conv2d(4, 4, 3, groups=2), torch.ones(1, 4, 5, 5))
    with pytest.raises(ValueError, match="first needs a matrix"):
        quantized(net, weights={"first": FORMS[0].quantize(torch.ones(2, 2))})
    assert torch.equal(LearnedRounding(torch.zeros(2, 3), FORMS[0]).quantized().dequantize(), torch.zeros(2, 3))
