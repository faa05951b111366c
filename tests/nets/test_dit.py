"""The transformer: starts as the zero map, knows where its patches are, and takes a class."""

import pytest
import torch
from torch import nn

from workbench.nets import DiT
from workbench.nets.dit import positions

SMALL = {"channels": 2, "patch": 2, "width": 16, "depth": 2, "heads": 2, "emb": 8, "side": 8}


def small(seed=0, **changes):
    return DiT(**{**SMALL, **changes}, generator=torch.Generator().manual_seed(seed))


def woken(net):
    """Every layer that starts at 0, given something to do."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in net.modules():
            if getattr(part, "starts_at_zero", False):
                part.weight.copy_(0.3 * torch.randn(part.weight.shape, generator=generator))
    return net


def inputs(batch=3, channels=2):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(batch, channels, 8, 8, generator=generator), torch.linspace(-1, 1, batch)


def test_it_starts_as_the_zero_map_and_learns_everywhere():
    net, (x, times) = small(classes=3), inputs()
    assert not net(x, times).any()
    net = woken(net)
    net(x, times, torch.tensor([0, 1, 2])).square().sum().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_the_seed_makes_the_network_and_nothing_else_does():
    state = torch.get_rng_state()
    x, times = inputs()
    assert torch.equal(woken(small(3))(x, times), woken(small(3))(x, times))
    assert not torch.equal(woken(small(3))(x, times), woken(small(4))(x, times))
    assert torch.equal(state, torch.get_rng_state())


def test_one_sample_does_not_see_another():
    net, (x, times) = woken(small(classes=3)).double(), inputs()
    x, times = x.double(), times.double()
    whole = net(x, times, torch.tensor([2, 0, 1]))
    for i, label in enumerate((2, 0, 1)):
        torch.testing.assert_close(net(x[i : i + 1], times[i : i + 1], label), whole[i : i + 1], rtol=0, atol=1e-12)


def test_time_class_and_place_all_matter():
    net, (x, times) = woken(small(classes=3)), inputs()
    out = net(x, times, 1)
    assert (out - net(x, times + 0.1, 1)).abs().max() > 1e-4
    assert (out - net(x, times, 2)).abs().max() > 1e-4
    assert (out - net(x, times)).abs().max() > 1e-4  # no class is a class of its own
    turned = net(x.roll(2, dims=3), times, 1).roll(-2, dims=3)
    assert (out - turned).abs().max() > 1e-4
    net.positions.zero_()
    turned = net(x.roll(2, dims=3), times, 1).roll(-2, dims=3)  # without positions, patches are a set
    torch.testing.assert_close(out := net(x, times, 1), turned, rtol=0, atol=1e-5)


def test_attention_is_softmax_of_products():
    block = woken(small()).blocks[0].double()
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    q, k, v = block.qkv(x).chunk(3, dim=2)
    heads = []
    for half in (slice(0, 8), slice(8, 16)):
        weights = torch.softmax(q[..., half] @ k[..., half].transpose(1, 2) / 8**0.5, dim=2)
        heads.append(weights @ v[..., half])
    torch.testing.assert_close(block.attend(x), block.out(torch.cat(heads, dim=2)), rtol=0, atol=1e-12)


def test_every_place_has_its_own_waves():
    table = positions(8, 16)
    assert table.shape == (64, 16) and torch.equal(table[0], torch.tensor([1.0] * 4 + [0.0] * 4).repeat(2))
    assert torch.cdist(table, table).add(10 * torch.eye(64)).min() > 0.1
    assert torch.equal(table[3 * 8 + 5, :8], table[3 * 8, :8]) and torch.equal(table[3 * 8 + 5, 8:], table[5, 8:])


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"side": 9}, "side=9"), ({"width": 18}, "width=18"), ({"depth": 0}, "depth=0"), ({"heads": 3}, "heads=3")],
)
def test_sizes_that_do_not_fit_are_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        small(**changes)


def test_labels_it_does_not_know_are_refused():
    x, times = inputs()
    with pytest.raises(ValueError, match="takes no labels"):
        small()(x, times, 1)
    for bad, says in ((4, "0 to 2"), (torch.tensor([0, 1]), "for 3 samples"), (torch.ones(3), "whole numbers")):
        with pytest.raises(ValueError, match=says):
            small(classes=3)(x, times, bad)


def test_it_is_a_function_of_pixels_in_patches():
    """With depth and modulation at zero only reading and writing remain: each patch answers for itself."""
    net = small()
    nn.init.eye_(net.read.weight[:, :8])
    nn.init.eye_(net.write.weight)
    x, times = inputs()
    near = x.clone()
    near[:, :, :2, :2] += 1
    changed = (net(near, times) - net(x, times)).abs().amax((0, 1)) > 1e-6
    assert changed[:2, :2].any() and not changed[2:].any() and not changed[:, 2:].any()
