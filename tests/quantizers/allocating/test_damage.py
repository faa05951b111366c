"""The bank computes what ``quantized`` computes, and damage is the mean square it says it is."""

import dataclasses

import pytest
import torch

import workbench as wb
from workbench.quantizers import (
    Affine,
    BitBudget,
    LayerBank,
    additive,
    each_alone,
    endpoint_damage,
    quantized,
    velocity_damage,
)
from workbench.search import Evolution, Stage, evolve

LINES = wb.schedules.Rectified()
QUANTIZERS = {b: Affine(bits=b, block=(1, 8)) for b in (2, 3, 4, 8)}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(net, seed=1):
    """With weights that are not zero."""
    draws = seeded(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=draws))
    return net.requires_grad_(False)


@pytest.fixture(scope="module")
def flow():
    return wb.NetworkDenoiser(shaken(wb.nets.MLP(2, width=24, depth=4, generator=seeded())), LINES, "velocity")


@pytest.fixture(scope="module")
def damage(flow):
    return velocity_damage(flow, torch.randn(40, 2, generator=seeded(2)), torch.rand(40, generator=seeded(3)), batch=16)


def unet():
    return shaken(wb.nets.UNet(widths=(16, 32), blocks=1, emb=16, side=8, generator=seeded()))


def dit():
    return shaken(wb.nets.DiT(patch=2, width=16, depth=2, heads=2, emb=16, side=8, generator=seeded()))


@pytest.mark.parametrize("make", [unet, dit])
def test_a_model_of_the_bank_is_the_quantized_model(make):
    net = make()
    bank = LayerBank(net, QUANTIZERS)
    bits = [bank.levels[k % 4] for k in range(len(bank.names))]
    x, t = torch.randn(3, 3, 8, 8, generator=seeded(4)), torch.rand(3, generator=seeded(5))
    small = quantized(net, weights={name: QUANTIZERS[b] for name, b in zip(bank.names, bits, strict=True)})
    torch.testing.assert_close(bank.at(bits)(x, t), small(x, t), rtol=1e-4, atol=1e-5)
    before = net(x, t)
    assert torch.equal(bank.at([None] * len(bits))(x, t), before) and torch.equal(net(x, t), before)
    assert bank.sizes == tuple(layer.weight.numel() for _, layer in wb.quantizers.layers_of(net))
    name = bank.names[3]
    one = quantized(net, weights={name: QUANTIZERS[3]})
    torch.testing.assert_close(bank.at({name: 3})(x, t), one(x, t), rtol=1e-4, atol=1e-5)


def test_a_denoiser_comes_back_as_a_denoiser(flow):
    bank = LayerBank(flow, QUANTIZERS)
    small = bank.at([4] * 5)
    assert isinstance(small, wb.NetworkDenoiser) and small.schedule == LINES and small.net is not flow.net
    x = torch.randn(6, 2, generator=seeded(6))
    torch.testing.assert_close(small.velocity(x, 0.4), quantized(flow, weights=QUANTIZERS[4]).velocity(x, 0.4))


def test_damage_of_one_answer(flow, damage):
    assert damage(flow) == 0.0 and len(damage) == 40
    bank = LayerBank(flow, QUANTIZERS)
    small = bank.at([3] * 5)
    x, t = torch.randn(40, 2, generator=seeded(2)), torch.rand(40, generator=seeded(3))
    gap = (small.velocity(x, t) - flow.velocity(x, t)).double().square().mean(1)
    assert damage(small) == pytest.approx(float(gap.mean()), rel=1e-6)
    assert damage(small, 10) == pytest.approx(float(gap[:10].mean()), rel=1e-6)
    torch.testing.assert_close(damage.each(small, 20), gap[:20])
    weighted = velocity_damage(flow, x, t, weights=2 * t)
    assert weighted(small) == pytest.approx(float((2 * t * gap).mean()), rel=1e-6)
    assert damage(bank.at([2] * 5)) > damage(small) > damage(bank.at([8] * 5)) > 0


def test_damage_at_the_end_of_a_path(flow):
    grid = wb.grids.uniform(LINES, 5, start=1.0, stop=0.0)
    noise, solver = torch.randn(30, 2, generator=seeded(7)), wb.solvers.Euler(variable="t")
    damage = endpoint_damage(flow, noise, grid, solver, batch=8)
    small = LayerBank(flow, QUANTIZERS).at([3] * 5)
    ends = [wb.solve(one, noise, grid, solver).x for one in (flow, small)]
    assert damage(flow) == 0.0
    assert damage(small) == pytest.approx(float((ends[0] - ends[1]).square().mean()), rel=1e-5)
    assert damage(small, 8) == pytest.approx(float((ends[0] - ends[1])[:8].square().mean()), rel=1e-5)
    doubled = endpoint_damage(flow, noise, grid, solver, weights=torch.full((30,), 2.0))
    assert doubled(small) == pytest.approx(2 * damage(small), rel=1e-5)


def test_each_layer_alone_and_their_sum(flow, damage):
    bank = LayerBank(flow, QUANTIZERS)
    alone = each_alone(bank, damage)
    assert len(alone) == 5 and set(alone[0]) == {2, 3, 4, 8}
    assert alone[2][3] == damage(bank.at([None, None, 3, None, None]))
    assert additive(alone, [2, 3, 4, 8, 2]) == pytest.approx(alone[0][2] + alone[1][3] + alone[2][4] + alone[3][8] + alone[4][2])
    assert each_alone(bank, damage, 10)[1][4] == damage(bank.at({bank.names[1]: 4}), 10)


def test_many_small_errors_add_up_where_they_are_independent():
    """A sum of layers' outputs, each rounded by chance: the mean square of the joint error is the sum of the single ones.

    Over draws of the rounding the cross terms vanish on average; z-score over 300 draws.
    """
    draws, sums = seeded(8), []
    net = torch.nn.Sequential(torch.nn.Linear(6, 6, bias=False), torch.nn.Linear(6, 3, bias=False))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=draws))
    x, net = torch.randn(50, 6, generator=draws), net.requires_grad_(False)
    true, chance = net(x), Affine(bits=8, rounding="stochastic")
    for _ in range(300):
        bank = LayerBank(net, {8: chance}, generator=draws)
        one, two, both = ((bank.at(bits)(x) - true).double() for bits in ([8, None], [None, 8], [8, 8]))
        sums.append(float(both.square().mean() - one.square().mean() - two.square().mean()))
    sums = torch.tensor(sums)
    assert abs(float(sums.mean() / sums.std() * 300**0.5)) < 5
    assert float(sums.std()) > 0


def test_a_search_over_a_network_beats_uniform_on_its_own_samples(flow, damage):
    bank = LayerBank(flow, QUANTIZERS)
    budget = BitBudget(bank.sizes, 3, bank.levels)
    settings = Evolution(12, 8, (Stage(10, 2), Stage(40, 1)))
    found = evolve(
        budget.uniform(), budget.mutate, lambda bits, stage: damage(bank.at(bits), stage.samples), settings, generator=seeded(9)
    )
    assert found.fitness == damage(bank.at(found.best)) < damage(bank.at([3] * 5))
    assert budget.cost(found.best) <= budget.bits


def test_what_cannot_be_measured_is_refused(flow, damage):
    x, t = torch.randn(4, 2, generator=seeded()), torch.rand(4, generator=seeded())
    with pytest.raises((ValueError, TypeError), match="as many of each|violates type hint"):
        velocity_damage(flow, x, t[:3])
    for weights in (-t, t / 0):
        with pytest.raises(ValueError, match="finite and at least 0"):
            velocity_damage(flow, x, t, weights)
    for samples in (0, 41):
        with pytest.raises(ValueError, match="there are 1 to 40"):
            damage(flow, samples)
    bank = LayerBank(flow, QUANTIZERS)
    for bits in ([3] * 4, [5] * 5):
        with pytest.raises(ValueError, match="one of the levels .* for each of 5 layers"):
            bank.at(bits)
    with pytest.raises(ValueError, match="no layer is called nothing; there are first, hidden.0"):
        bank.at({"nothing": 3})
    with pytest.raises(ValueError, match="got 0 quantizers"):
        LayerBank(flow, {})
    with pytest.raises(ValueError, match="and 0 layers"):
        LayerBank(torch.nn.ReLU(), QUANTIZERS)
    with pytest.raises(TypeError, match="no network to quantize"):
        LayerBank(wb.characters.ellipse(LINES), QUANTIZERS)


def test_a_model_that_answers_nan_is_the_worst(flow, damage):
    broken = dataclasses.replace(flow, net=lambda x, t: x * float("nan"))
    states = {(0,): flow, (1,): broken}
    found = evolve(
        (1,), lambda s, g: (1 - s[0],), lambda s, stage: damage(states[s], stage.samples), Evolution(2, 1), generator=seeded()
    )
    assert found.best == (0,) and found.history[0].fitness == float("inf")
