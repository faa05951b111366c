"""The networks: zero at the start, functions of their seed, honest about labels and sizes."""

import pytest
import torch
from tiny_training import awake, generator, unet

from workbench.nets import MLP, UNet


def mlp(seed=0, classes=3):
    return MLP(2, width=8, depth=2, classes=classes, generator=generator(seed))


def inputs(net, batch=4):
    shape = (2,) if isinstance(net, MLP) else (6, 8, 8)
    return torch.randn(batch, *shape, generator=generator(7)), torch.linspace(-1, 1, batch)


@pytest.mark.parametrize("make", [unet, mlp])
def test_it_starts_as_the_zero_map_of_the_right_shape(make):
    net = make()
    x, times = inputs(net)
    out = net(x, times)
    assert out.shape == ((4, 2) if isinstance(net, MLP) else (4, 3, 8, 8)) and not out.any()


@pytest.mark.parametrize("make", [unet, mlp])
def test_the_seed_makes_the_network_and_the_global_state_is_left_alone(make):
    before = torch.get_rng_state()
    one, two, other = make(1), make(1), make(2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("make", [unet, mlp])
def test_every_parameter_learns_once_awake(make):
    net = awake(make())
    x, times = inputs(net)
    net(x, times, torch.tensor([0, 1, 2, 3])).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("make", [unet, mlp])
def test_labels_are_checked(make):
    net = awake(make())
    x, times = inputs(net)
    assert torch.equal(net(x, times), net(x, times, 3)) and not torch.equal(net(x, times, 0), net(x, times, 1))
    for bad, words in [(4, "0 to 2"), (-1, "0 to 2"), (torch.tensor([0, 1]), "one for each"), (torch.tensor(0.5), "whole numbers")]:
        with pytest.raises(ValueError, match=words):
            net(x, times, bad)
    with pytest.raises(ValueError, match="takes no labels"):
        make(classes=None)(x, times, 0)


@pytest.mark.parametrize("make", [unet, mlp])
def test_samples_do_not_see_each_other_and_times_matter(make):
    net = awake(make())
    x, times = inputs(net)
    whole = net(x, times, torch.tensor([0, 1, 2, 3]))
    for k in range(4):
        torch.testing.assert_close(net(x[k : k + 1], times[k : k + 1], torch.tensor([k])), whole[k : k + 1], rtol=0, atol=1e-5)
    assert (net(x, times + 0.05, 0) - net(x, times, 0)).abs().max() > 1e-5


def test_attention_lets_every_pixel_see_every_other():
    net = awake(UNet(1, 1, (16, 16), 1, attend=8, emb=8, side=16, generator=generator()))
    x = torch.zeros(1, 1, 16, 16, requires_grad=True)
    net(x, torch.zeros(1))[0, 0, 0, 0].backward()
    assert x.grad[0, 0, 15, 15] != 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"widths": (20,)}, "multiple of 16"),
        ({"widths": ()}, "multiple of 16"),
        ({"blocks": 0}, "at least one"),
        ({"side": 10}, "halved"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        UNet(**({"widths": (16, 16), "side": 8} | change), generator=generator())


@pytest.mark.parametrize("bad", [{"dim": 0}, {"width": 0}, {"depth": 0}])
def test_an_mlp_has_at_least_one_of_everything(bad):
    with pytest.raises(ValueError, match="at least 1"):
        MLP(**({"dim": 2} | bad), generator=generator())


def test_a_network_needs_a_generator():
    with pytest.raises(TypeError):
        MLP(2, generator=0)


def test_depth_and_width_are_as_told():
    net = MLP(5, width=32, depth=4, generator=generator())
    assert [p.shape for p in net.parameters() if p.ndim == 2] == [(32, 21), (32, 32), (32, 32), (32, 32), (5, 32)]
    assert MLP(2, inputs=4, generator=generator())(torch.zeros(3, 4), torch.zeros(3)).shape == (3, 2)
    assert MLP(**net.settings, generator=generator())(torch.zeros(1, 5), torch.zeros(1)).shape == (1, 5)
