"""Networks in few bits: what is replaced, what is stored, what comes out; ranges over time; files."""

import copy

import pytest
import torch

import workbench as wb
from workbench.artifacts import ArtifactError, quantized_networks
from workbench.nets import MLP, DiT, UNet
from workbench.quantizers import Affine, Codebook, Float, QuantizedLayer, calibrate, layers_of, mxfp4, nbytes, nf4, nvfp4, quantized

FOUR = Affine(bits=4, block=(1, 8))


def nets():
    made = torch.Generator().manual_seed(0)
    found = [
        MLP(2, width=24, depth=3, classes=3, generator=made),
        UNet(widths=(16, 32), blocks=1, classes=3, emb=16, side=8, generator=made),
        DiT(patch=2, width=16, depth=2, heads=2, classes=3, emb=16, side=8, generator=made),
    ]
    with torch.no_grad():
        for net in found:
            for p in net.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=made))
    return [net.requires_grad_(False) for net in found]


def inputs(net, batch=4, seed=2):
    made = torch.Generator().manual_seed(seed)
    shape = (batch, 2) if isinstance(net, MLP) else (batch, 3, 8, 8)
    return torch.randn(shape, generator=made), torch.linspace(0.1, 0.9, batch), torch.arange(batch) % 3


every_net = pytest.mark.parametrize("net", nets(), ids=lambda net: type(net).__name__)


def rounded_by_hand(net, quantizer):
    """The same network with its float weights replaced by their rounded values."""
    other = copy.deepcopy(net)
    for _, layer in layers_of(other):
        layer.weight.copy_(quantizer.simulate(layer.weight.flatten(1)).view_as(layer.weight))
    return other


@every_net
@pytest.mark.parametrize("quantizer", [FOUR, Affine(bits=3, block=(1, -1), zero="integer"), nf4(double=True), nvfp4()], ids=str)
def test_it_computes_with_the_rounded_weights(net, quantizer):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    small = quantized(net, weights=quantizer)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not list(layers_of(small)) and sum(isinstance(p, QuantizedLayer) for p in small.modules()) == len(list(layers_of(net)))
    torch.testing.assert_close(small(*inputs(net)), rounded_by_hand(net, quantizer)(*inputs(net)), rtol=1e-4, atol=1e-5)


@every_net
def test_weights_are_really_packed_and_bytes_are_the_formula(net):
    small = quantized(net, weights=FOUR)
    rest = sum(p.numel() for p in net.parameters()) - sum(layer.weight.numel() for _, layer in layers_of(net))
    matrices = [layer.weight.flatten(1).shape for _, layer in layers_of(net)]
    by_hand = sum(-(-n * k // 2) + 4 * n * -(-k // 8) for n, k in matrices)
    assert nbytes(small) == 4 * rest + by_hand
    assert nbytes(net) == 4 * sum(p.numel() for p in net.parameters())
    codes = [value for name, value in small.state_dict().items() if name.endswith("codes")]
    assert len(codes) == len(matrices) and all(value.dtype == torch.uint8 for value in codes)


@every_net
@pytest.mark.parametrize("bits", [16, 12])
def test_many_bits_change_nothing(net, bits):
    small = quantized(net, weights=Affine(bits=bits, block=(1, -1)), activations=Affine(bits=bits))
    expected = net(*inputs(net))
    assert (small(*inputs(net)) - expected).abs().max() < (2e-3 if bits == 16 else 2e-2) * expected.abs().max()
    assert not torch.equal(small(*inputs(net)), expected)


@every_net
def test_state_dict_comes_back_and_a_cast_is_refused(net):
    small = quantized(net, weights=FOUR)
    other = quantized(quantized_zero(net), weights=FOUR)
    other.load_state_dict(small.state_dict())
    assert torch.equal(other(*inputs(net)), small(*inputs(net)))
    cast = {name: value.float() for name, value in small.state_dict().items()}
    with pytest.raises(ValueError, match="without a cast"):
        other.load_state_dict(cast)


def quantized_zero(net):
    other = copy.deepcopy(net)
    for p in other.parameters():
        p.zero_()
    return other


def test_layers_by_name():
    net = nets()[0]
    by_name = quantized(net, weights={"first": FOUR, "hidden.0": Affine(bits=2, block=(1, -1)), "hidden.1": None})
    assert isinstance(by_name.first, QuantizedLayer) and by_name.hidden[0].quantizer.bits == 2
    assert type(by_name.hidden[1]) is type(by_name.last) is torch.nn.Linear
    kept = quantized(net, weights=FOUR, keep=("first", "last"))
    assert type(kept.first) is type(kept.last) is torch.nn.Linear and isinstance(kept.hidden[1], QuantizedLayer)


def test_a_denoiser_keeps_its_wrapping():
    model = wb.EDMDenoiser(nets()[0], 1.0)
    small = quantized(model, weights=FOUR)
    assert type(small) is type(model) and small.sigma_data == model.sigma_data and small.net is not model.net
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    far = (small.data(x, 1.0) - model.data(x, 1.0)).square().mean().sqrt() / model.data(x, 1.0).std()
    assert 0 < far < 0.2


@every_net
def test_one_step_a_token_does_not_look_at_the_batch(net):
    small = quantized(net, activations=Affine(bits=4, block=(-1,)))
    x, times, labels = inputs(net)
    together = small(x, times, labels)
    alone = torch.cat([small(x[i : i + 1], times[i : i + 1], labels[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    whole = quantized(net, activations=Affine(bits=4))
    assert not torch.allclose(whole(x, times, labels)[:1], whole(x[:1], times[:1], labels[:1]), rtol=1e-3, atol=1e-4)


def test_activations_are_rounded_before_the_product():
    net = nets()[0]
    quantizer = Affine(bits=4)
    x, times, labels = inputs(net)
    small = quantized(net, activations={"last": quantizer})
    seen = []
    net.last.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    net(x, times, labels)
    expected = torch.nn.functional.linear(quantizer.simulate(seen[0]), net.last.weight, net.last.bias)
    torch.testing.assert_close(small(x, times, labels), expected)


def test_stochastic_activations_draw_from_the_generator_and_average_out():
    net = nets()[0]
    x = inputs(net)
    quantizer = Affine(bits=6, rounding="stochastic")
    small = quantized(net, activations={"last": quantizer}, generator=torch.Generator().manual_seed(4))
    draws = torch.stack([small(*x) for _ in range(400)])
    assert draws.std(0).max() > 0
    z = (draws.mean(0) - net(*x)) / (draws.std(0) / 20)
    assert z.abs().max() < 5
    with pytest.raises(ValueError, match="generator="):
        quantized(net, activations=quantizer)(*x)


@every_net
@pytest.mark.parametrize("each_channel", [False, True])
def test_ranges_over_time(net, each_channel):
    def run(model):
        for seed in range(3):
            for t in (0.1, 0.5, 0.9):
                x, _, labels = inputs(net, seed=seed)
                model(x * (1 + 20 * t), torch.full((4,), t), labels)

    ranges = calibrate(net, run, entries=3, each_channel=each_channel)
    assert ranges.times.tolist() == pytest.approx([0.1, 0.5, 0.9])
    reading = {MLP: "first", UNet: "fold", DiT: "read"}[type(net)]
    low, high = ranges.low[reading], ranges.high[reading]
    channels = dict(layers_of(net))[reading].weight.shape[1]
    assert low.shape == (3, channels if each_channel else 1)
    assert high[2].max() > 4 * high[0].max()
    shown = torch.cat([inputs(net, seed=seed)[0].flatten() for seed in range(3)]) * 3
    assert high[0].max() >= shown.max() * 0.999 and low[0].min() <= shown.min() * 0.999

    small = quantized(net, activations=Affine(bits=8, zero="integer"), ranges=ranges)
    one = quantized(net, activations=Affine(bits=8, zero="integer"), ranges=calibrate(net, run, entries=1))
    x, _, labels = inputs(net)
    args = (x * 3, torch.full((4,), 0.1), labels)
    errors = [(m(*args) - net(*args)).square().mean().item() for m in (small, one)]
    assert errors[0] < 0.5 * errors[1]
    mixed = torch.tensor([0.1, 0.9, 0.5, 0.1])
    x = x * (1 + 20 * mixed).view(-1, *[1] * (x.ndim - 1))
    together = small(x, mixed, labels)
    alone = torch.cat([small(x[i : i + 1], mixed[i : i + 1], labels[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_a_time_that_the_table_lacks_takes_the_nearest():
    net = nets()[0]
    x, _, labels = inputs(net)

    def run(model):
        for t in (0.2, 0.6):
            model(x * t, torch.full((4,), t), labels)

    small = quantized(net, activations=Affine(bits=5), ranges=calibrate(net, run))
    steps = []
    rounder = small.hidden[0].activations
    rounder.register_forward_hook(lambda layer, args, out: steps.append(out.abs().max()))
    for t in (-3.0, 0.2, 0.39, 0.41, 0.6, 50.0):
        rounder.clock.times = torch.full((4,), t)
        rounder(torch.full((4, 24), 1e6))
    assert steps[0] == steps[1] == steps[2] != steps[3] and steps[3] == steps[4] == steps[5]


def test_calibration_shares_entries_evenly():
    net = nets()[0]
    x, _, labels = inputs(net)
    times = torch.linspace(0, 1, 40)
    ranges = calibrate(net, lambda m: [m(x, torch.full((4,), t), labels) for t in times.tolist()], entries=8)
    assert len(ranges.times) == 8 and torch.allclose(ranges.times, times.view(8, 5).mean(1), atol=1e-6)
    assert not net.first._forward_pre_hooks


@every_net
@pytest.mark.parametrize(
    "settings",
    [
        {"weights": FOUR},
        {"weights": nf4(double=True)},
        {"weights": mxfp4(), "activations": Affine(bits=8, block=(-1,))},
        {"weights": Affine(bits=3, block=(1, -1), scales=Float(torch.float16)), "keep": ("last",)},
    ],
    ids=["int4", "nf4", "mx", "keep"],
)
def test_files(net, settings):
    if "keep" in settings:
        settings = {**settings, "keep": [list(dict(layers_of(net)))[-1]]}
    small = quantized(net, **settings)
    content = quantized_networks.pack(small, preconditioning="edm", sigma_data=0.5)
    header = int.from_bytes(content[:8], "little")
    assert len(content) == 8 + header + quantized_networks.content_nbytes(small)
    back, about = quantized_networks.unpack(content)
    assert about == {"preconditioning": "edm", "sigma_data": 0.5} and back.settings == net.settings
    for name, value in small.state_dict().items():
        found = back.state_dict()[name]
        exact = "weight:" in name or not value.is_floating_point()
        assert found.dtype == value.dtype and torch.equal(found, value if exact else value.half().float()), name
    torch.testing.assert_close(back(*inputs(net)), small(*inputs(net)), rtol=0, atol=3e-2)
    assert quantized_networks.pack(back, **about) == content


def test_tables_travel_with_the_file():
    net = nets()[0]
    ranges = calibrate(net, lambda m: m(*inputs(net)))
    small = quantized(net, weights=FOUR, activations=Affine(bits=8), ranges=ranges)
    back, _ = quantized_networks.unpack(quantized_networks.pack(small))
    torch.testing.assert_close(back(*inputs(net)), small(*inputs(net)), rtol=0, atol=2e-2)
    assert torch.equal(back.first.activations.high, ranges.high["first"])


def test_four_bits_are_at_most_six_tenths_of_a_byte_in_the_shipped_network():
    net = wb.artifacts.load("cifar10-denoiser").net
    count = sum(p.numel() for p in net.parameters())
    content = quantized_networks.pack(quantized(net, weights=Affine(bits=4, block=(1, 32), scales=Float(torch.float16))))
    assert 0.5 * count < len(content) < 0.6 * count


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: quantized(lambda x: x, weights=FOUR), TypeError, "has no network to quantize"),
        (lambda net: quantized(net, weights={"nothing": FOUR}), ValueError, "no layer is called nothing; there are first"),
        (lambda net: quantized(net, weights=FOUR, keep=("middle",)), ValueError, "no layer's name begins with 'middle'"),
        (lambda net: calibrate(net, lambda m: None), ValueError, "the run never called the model"),
        (lambda net: calibrate(net, lambda m: m(*inputs(net)), entries=0), ValueError, "at least one"),
        (
            lambda net: quantized(net, activations=nf4(), ranges=calibrate(net, lambda m: m(*inputs(net)))),
            ValueError,
            "need Affine activations",
        ),
        (lambda net: quantized_networks.pack(net), ValueError, "no layer of this network is quantized"),
        (lambda net: quantized_networks.unpack(wb.artifacts.networks.pack(net)), ArtifactError, "not a network"),
        (lambda net: quantized_networks.unpack(b"nothing"), ArtifactError, "not a network"),
        (
            lambda net: QuantizedLayer(torch.nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), None),
            ValueError,
            "pad with zeros",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(nets()[0])


def test_descriptions_are_read_back_and_unknown_ones_refused():
    from workbench.quantizers.description import describe, from_description

    for quantizer in (FOUR, nf4(double=True), mxfp4(), nvfp4(), Codebook(values=(0.0, 1.0)), Affine(scales=Float(torch.bfloat16))):
        assert from_description(describe(quantizer)) == quantizer
    with pytest.raises(ValueError, match="quantizer 'Magic' is not known"):
        from_description({"kind": "Magic"})
    with pytest.raises(ValueError, match="settings of Affine are not known"):
        from_description({"kind": "Affine", "color": 3})
