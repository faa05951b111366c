"""The average of the weights, against its closed form."""

import pytest
import torch
from torch import nn

from workbench.nets.training.averaging import Average


def weights(value):
    net = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(net.weight, value)
    return net


def test_half_of_the_past_is_forgotten_in_a_halflife():
    average = Average(weights(1.0), halflife=100, ramp=1e9)
    for step in range(10):
        average.update(weights(0.0), 10, 10 * (step + 1))
    torch.testing.assert_close(average.net.weight.item(), 0.5, rtol=0, atol=1e-12)


def test_the_ramp_forgets_the_start_by_a_power_of_the_images():
    """With half-life ramp x seen, the start's share after n images falls as the product of 2^(-batch / (ramp seen))."""
    average, batch, ramp = Average(weights(1.0), halflife=1e12, ramp=0.1), 10, 0.1
    for step in range(200):
        average.update(weights(0.0), batch, batch * (step + 1))
    harmonic = sum(1 / k for k in range(1, 201))
    torch.testing.assert_close(average.net.weight.item(), 2 ** (-harmonic / ramp), rtol=1e-9, atol=0)


def test_batches_of_any_size_forget_the_same():
    coarse, fine = (Average(weights(1.0), halflife=64, ramp=1e9) for _ in range(2))
    coarse.update(weights(3.0), 32, 32)
    for k in range(32):
        fine.update(weights(3.0), 1, k + 1)
    torch.testing.assert_close(coarse.net.weight, fine.net.weight)


def test_the_average_is_a_network_of_its_own():
    net = weights(1.0)
    average = Average(net, 10)
    nn.init.constant_(net.weight, 5.0)
    assert average.net.weight.item() == 1.0 and not average.net.weight.requires_grad and not average.net.training
    with_buffers = nn.BatchNorm1d(2)
    average = Average(with_buffers, 10)
    with_buffers.running_mean.fill_(7.0)
    average.update(with_buffers, 1, 1)
    assert average.net.running_mean.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("bad", [{"halflife": 0}, {"halflife": 10, "ramp": 0}])
def test_a_halflife_is_positive(bad):
    with pytest.raises(ValueError, match="positive"):
        Average(weights(1.0), **bad)
