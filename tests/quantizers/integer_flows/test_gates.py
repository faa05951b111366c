"""Gates: open at the start, counted exactly, with the gradient of the identity inside 0..1 and none outside, and removable."""

import pytest
import torch

from workbench.quantizers import integer_flows as flows


def with_p(values):
    gates = flows.Gates(len(values))
    with torch.no_grad():
        gates.p.copy_(torch.tensor(values))
    return gates


def test_they_start_open(rng):
    gates = flows.Gates(5)
    assert torch.equal(gates.p, torch.full((5,), 0.9)) and gates.open.all()
    h = torch.randn(2, 5, 3, 3, generator=rng)
    assert torch.equal(gates(h), h)


def test_closed_channels_are_zero_and_gradients_pass_inside(rng):
    gates = with_p([0.9, 0.4, 1.2, -0.1, 0.51, 0.5])
    assert gates.open.tolist() == [True, False, True, False, True, False]
    h, weights = (torch.randn(2, 6, 3, 3, generator=rng) for _ in range(2))
    h.requires_grad_()
    y = gates(h)
    assert torch.equal(y, h * gates.open[:, None, None])
    (y * weights).sum().backward()
    by_hand = (h * weights).sum((0, 2, 3)) * torch.tensor([1, 1, 0, 0, 1, 1])
    torch.testing.assert_close(gates.p.grad, by_hand.detach())
    assert torch.equal(h.grad, weights * gates.open[:, None, None])


def test_the_price_counts_and_pulls_at_one_rate():
    gates = with_p([0.9, 0.4, 1.2, -0.1])
    price = gates.price
    assert price.item() == pytest.approx(0.9 + 0.4 + 1.0 + 0.0)
    price.backward()
    assert gates.p.grad.tolist() == [1, 1, 0, 0]


def test_one_gate_always_stays_open():
    assert with_p([0.1, 0.3, 0.2]).open.tolist() == [False, True, False]


def test_removing_closed_filters_keeps_the_function(rng):
    net = flows.Translator(2, 3, 10, generator=rng)
    with torch.no_grad():
        net.layers[-1].weight.copy_(torch.randn(net.layers[-1].weight.shape, generator=rng))
    net.add_gates()
    with torch.no_grad():
        net.gates[0].p[[1, 4, 5]] = 0.2
        net.gates[1].p[7:] = -1.0
    assert net.filters == 7 + 7
    z = (60 * torch.randn(4, 2, 6, 6, generator=rng)).round()
    before = net(z)
    net.remove_filters()
    assert [layer.weight.shape for layer in net.layers] == [(7, 2, 3, 3), (7, 7, 1, 1), (3, 7, 3, 3)]
    assert net.filters == 14 and not net.gates
    torch.testing.assert_close(net(z), before)


def test_a_price_closes_gates_that_nobody_needs(rng):
    """The target of the flow needs nothing: all but the last gate of each layer close."""
    flow = flows.IntegerFlow((2, 1, 1), flows.alternating(2, 2), kernels_of_one, center=0, generator=rng)
    flow = flows.gated(flow)
    x = torch.randint(-20, 21, (500, 2, 1, 1), generator=rng)
    flows.fit(flow, x, steps=60, price=1.0, rate=3e-2, batch=64, generator=rng)
    assert flows.filters(flow) < 4 * 6 / 2
    thin = flows.without_closed(flow)
    assert flows.filters(thin) == flows.filters(flow)
    assert thin.bits_per_dimension(x) == pytest.approx(flow.bits_per_dimension(x), abs=1e-4)


def kernels_of_one(reads, writes, generator):
    return flows.Translator(reads, writes, 6, (1, 1, 1), generator=generator)


def test_errors(rng):
    with pytest.raises(ValueError, match="at least 1"):
        flows.Gates(0)
    flow = flows.IntegerFlow((2, 1, 1), flows.alternating(2, 2), kernels_of_one, generator=rng)
    with pytest.raises(ValueError, match="no gates"):
        flows.fit(flow, torch.zeros(3, 2, 1, 1), steps=1, price=1.0, generator=rng)
