"""SGD with momentum in few bits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers import SGD, Factored
from workbench.quantizers.optimizers import Packed, formats


@given(
    lr=st.floats(1e-6, 0.5),
    momentum=st.sampled_from([0.0, 0.5, 0.95]),
    dampening=st.sampled_from([0.0, 0.3]),
    decay=st.sampled_from([0.0, 1e-2]),
    nesterov=st.booleans(),
    maximize=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_in_32_bits_it_is_that_of_torch_to_the_last_bit(lr, momentum, dampening, decay, nesterov, maximize, seed):
    start = torch.Generator().manual_seed(seed)
    own = [torch.nn.Parameter(torch.randn(shape, generator=start)) for shape in [(9, 7), (5,), ()]]
    other = [torch.nn.Parameter(p.detach().clone()) for p in own]
    nesterov = nesterov and momentum > 0 and dampening == 0
    how = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": decay, "nesterov": nesterov}
    for optimizer, parameters in (
        (SGD(own, **how, maximize=maximize, first=None), own),
        (torch.optim.SGD(other, **how, maximize=maximize, foreach=False), other),
    ):
        draws = torch.Generator().manual_seed(seed)
        for _ in range(12):
            for p in parameters:
                p.grad = torch.randn(p.shape, generator=draws)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))


def test_bytes_and_a_step_by_hand(rng):
    p = torch.nn.Parameter(torch.randn(64, 128, generator=rng))
    before, optimizer = p.detach().clone(), SGD([p], lr=0.1, momentum=0.9)
    first, second = (torch.randn(64, 128, generator=rng) for _ in range(2))
    p.grad = first
    optimizer.step()
    torch.testing.assert_close(p.detach(), before - 0.1 * first)
    kept = optimizer.state[p]["momentum_buffer"]
    assert isinstance(kept, Packed) and optimizer.nbytes == 8192 * 0.53125
    stored = formats.FIRST.simulate(first.flatten()).view(64, 128)
    p.grad = second
    optimizer.step()
    torch.testing.assert_close(p.detach(), before - 0.1 * first - 0.1 * (0.9 * stored + second))


def test_without_momentum_nothing_is_kept(rng):
    p = torch.nn.Parameter(torch.randn(64, 128, generator=rng))
    optimizer = SGD([p])
    p.grad = torch.randn(64, 128, generator=rng)
    optimizer.step()
    assert optimizer.nbytes == 0


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"momentum": -0.1}, "momentum=-0.1"),
        ({"nesterov": True}, "needs momentum above 0"),
        ({"lr": -1.0}, "lr=-1.0"),
        ({"first": Factored()}, "has both signs"),
    ],
)
def test_refused(how, words):
    with pytest.raises(ValueError, match=words):
        SGD([torch.nn.Parameter(torch.zeros(3))], **how)
