"""Networks as files: what comes back, what is refused, and a folder of one's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.artifacts import ArtifactError, networks
from workbench.artifacts.manifest import publish
from workbench.nets import DiT, UNet

ABOUT = {"preconditioning": "edm", "sigma_data": 0.5}


def nets():
    generator = torch.Generator().manual_seed(0)
    small = UNet(widths=(16, 32), blocks=1, classes=3, emb=16, side=8, generator=generator)
    return [small, DiT(patch=2, width=16, depth=1, heads=2, emb=16, side=8, generator=generator)]


def woken(net, seed=1):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return net


@pytest.mark.parametrize("net", nets(), ids=lambda net: type(net).__name__)
def test_weights_come_back_to_half_precision_and_the_rest_exactly(net):
    net = woken(net)
    back, about = networks.unpack(networks.pack(net, **ABOUT))
    assert type(back) is type(net) and back.settings == net.settings
    assert about == ABOUT and not back.training and not any(p.requires_grad for p in back.parameters())
    for (name, mine), theirs in zip(net.state_dict().items(), back.state_dict().values(), strict=True):
        assert theirs.dtype == torch.float32 and torch.equal(theirs, mine.half().float()), name
    x, times = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3)), torch.zeros(2)
    torch.testing.assert_close(back(x, times), net(x, times), rtol=0, atol=2e-2)


def test_two_bytes_a_weight():
    net = nets()[0]
    count = sum(p.numel() for p in net.parameters())
    assert 2 * count < len(networks.pack(net)) < 2 * count + 20_000


def test_a_history_keeps_its_order_and_a_byte_a_weight():
    states = {900: woken(nets()[0], 1), 30: woken(nets()[0], 2)}
    content = networks.pack_history(states, **ABOUT)
    back, about = networks.unpack_history(content)
    assert list(back) == [30, 900] and about == ABOUT
    for images, net in states.items():
        for (name, mine), theirs in zip(net.state_dict().items(), back[images].state_dict().values(), strict=True):
            if mine.ndim > 1:
                half_step = mine.flatten(1).abs().amax(1) / 127 / 2
                assert bool(((theirs - mine).abs().flatten(1).amax(1) <= half_step * 1.001).all()), name
            else:
                assert torch.equal(theirs, mine.half().float()), name
    count = sum(p.numel() for p in states[30].parameters())
    assert len(content) < 2 * (1.2 * count + 20_000)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e5])
def test_weights_that_half_precision_cannot_hold_are_refused(bad):
    net = nets()[0]
    with torch.no_grad():
        net.fold.bias[0] = bad
    with pytest.raises(ValueError, match=r"fold\.bias"):
        networks.pack(net)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_network(content):
    with pytest.raises(ArtifactError, match="not a network"):
        networks.unpack(content)


def test_a_network_of_another_version_is_named():
    content = networks.pack(nets()[0]).replace(b'"network":"UNet"', b'"network":"Nope"')
    with pytest.raises(ArtifactError, match="'Nope'"):
        networks.unpack(content)
    with pytest.raises(ArtifactError, match="preconditioning None"):
        networks.denoiser(nets()[0], {})


def test_it_loads_as_the_denoiser_it_was_trained_as(tmp_path):
    net = woken(nets()[0])
    measured = {"words": "a small one"}
    entry = publish(
        "mine", networks.pack(net, **ABOUT), tmp_path, file="mine.safetensors", kind="denoiser",
        source="jpeg-copy", command="train it", measured=measured,
    )  # fmt: skip
    model = wb.artifacts.load("mine", tmp_path)
    assert isinstance(model, wb.EDMDenoiser) and model.sigma_data == 0.5 and model.schedule == wb.schedules.VE()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    expected = wb.EDMDenoiser(net, 0.5).given(1).data(x, 0.7)
    torch.testing.assert_close(model.given(1).data(x, 0.7), expected, rtol=0, atol=1e-2)
    said = wb.artifacts.summary("mine", tmp_path)
    assert "a small one" in said and "JPEG" in said and entry["claims"] in said


def test_the_cifar10_law_is_put_around_it():
    net = UNet(inputs=6, widths=(16,), blocks=1, attend=0, emb=16, generator=torch.Generator().manual_seed(0))
    about = {"preconditioning": "gaussian", "rank": 8, "shows_base": True}
    model = networks.denoiser(*networks.unpack(networks.pack(net, **about)))
    law = wb.characters.cifar10(wb.schedules.VE(), 8)
    x = 3 * torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(model.data(x, 3.0), law.data(x, 3.0), rtol=0, atol=1e-6)


def test_a_folder_of_ones_own_comes_first(tmp_path, monkeypatch):
    net, other = woken(nets()[0], 1), woken(nets()[0], 2)
    kwargs = {"kind": "denoiser", "source": "official", "command": "c", "measured": {}}
    publish("only-mine", networks.pack(net, **ABOUT), tmp_path, file="a.safetensors", **kwargs)
    publish("cifar10-moments", networks.pack(other, **ABOUT), tmp_path, file="b.safetensors", **kwargs)
    monkeypatch.delenv("WORKBENCH_ARTIFACTS", raising=False)
    with pytest.raises(ArtifactError, match="only-mine"):
        wb.artifacts.load("only-mine")
    monkeypatch.setenv("WORKBENCH_ARTIFACTS", str(tmp_path))
    assert isinstance(wb.artifacts.load("only-mine"), wb.EDMDenoiser)
    assert wb.artifacts.describe("cifar10-moments")["kind"] == "denoiser"
    assert "only-mine" in wb.artifacts.available() and "cifar10-facts" in wb.artifacts.available()
    assert wb.artifacts.load("cifar10-facts")  # what is not there comes from the package
    monkeypatch.setenv("WORKBENCH_ARTIFACTS", str(tmp_path / "nowhere"))
    with pytest.raises(ArtifactError, match="nowhere"):
        wb.artifacts.available()
