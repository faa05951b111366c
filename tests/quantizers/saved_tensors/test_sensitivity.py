"""Sensitivities predict the variance of the gradient; allocation and training with a small memory."""

import pytest
import torch
from torch import nn

import workbench as wb
from workbench.quantizers import SmallMemory
from workbench.quantizers.saved_tensors import allocate, compressed, predicted_variance, sensitivities


class Unequal(nn.Module):
    """Four linear maps; the factors behind them make some weights' gradients large, and their inputs worth more bits."""

    factors = (1.0, 10.0, 0.1, 1.0)

    def __init__(self, rng):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in ((16, 64), (64, 256), (256, 32), (32, 4)))
        with torch.no_grad():
            for layer, factor in zip(self.layers, self.factors, strict=True):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=rng) / layer.in_features**0.5 / factor)
                layer.bias.zero_()

    def forward(self, x):
        for layer, factor in zip(self.layers, self.factors, strict=True):
            x = layer(x) * factor
        return x


@pytest.fixture
def problem(rng):
    net, x = Unequal(rng), torch.randn(128, 16, generator=rng)
    memory = compressed(net, 4, generator=rng)

    def gradient():
        with memory:
            loss = net(x).square().mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])

    return memory, gradient


def variance(memory, gradient, bits, repeats=12):
    memory.bits = bits
    return float(torch.stack([gradient() for _ in range(repeats)]).var(0).sum())


def test_sensitivities_predict_the_variance_and_exact_bits_make_it_smaller(problem):
    memory, gradient = problem
    found = sensitivities(memory, gradient)
    assert memory.bits == 4 and memory.default == 8
    assert all(c > 0 for c in found.values()) and max(found.values()) > 10 * min(found.values())
    for name, c in found.items():  # one tensor in one bit
        memory.default = 32
        assert 0.3 < variance(memory, gradient, {name: 1}) / c < 3
    memory.default = 8
    for bits in (2, 4):
        assert 0.3 < variance(memory, gradient, bits) / predicted_variance(found, bits) < 3
    with_three = sensitivities(memory, gradient, low=3)
    assert all(0.3 < with_three[name] / c < 3 for name, c in found.items())
    both = sensitivities(memory, gradient, together=lambda saved: "last" if saved.name == "layers.3:0" else "first")
    assert set(both) == {"first", "last"} and 0.3 < both["last"] / found["layers.3:0"] < 3
    assert 0.3 < both["first"] / (found["layers.1:0"] + found["layers.2:0"]) < 3
    sizes = {saved.name: saved.numbers for saved in memory.saved if saved.name in found}
    best, quick = (allocate(found, sizes, 2, how=how) for how in ("exact", "greedy"))
    total = 2 * sum(sizes.values())
    assert all(sum(bits[name] * sizes[name] for name in sizes) <= total for bits in (best, quick))
    assert predicted_variance(found, best) <= predicted_variance(found, quick)
    assert predicted_variance(found, best) < 0.5 * predicted_variance(found, 2)
    assert variance(memory, gradient, best) < 0.7 * variance(memory, gradient, 2)
    assert set(allocate(found, sizes, 32, ladder=(8, 32)).values()) == {32} and predicted_variance(found, 32) == 0


def test_a_gradient_outside_of_the_memory_is_an_error(problem):
    memory, _ = problem
    with pytest.raises(RuntimeError, match="inside"):
        sensitivities(memory, lambda: torch.zeros(1))
    assert memory.bits == 4
    with pytest.raises(ValueError, match="1 to 7"):
        sensitivities(memory, lambda: torch.zeros(1), low=8)


def test_bits_are_a_pure_function_of_sensitivities():
    assert predicted_variance({"a": 9.0, "b": 225.0}, {"a": 2, "b": 4}) == pytest.approx(2)
    assert allocate({"a": 0.0, "b": 1.0}, {"a": 10, "b": 10}, 4.5) == {"a": 1, "b": 8}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"how": "best"}, "'exact', 'greedy'"),
        ({"sizes": {"b": 3}}, "different tensors: a, b"),
        ({"bits": 0.5}, "cheapest choice"),
        ({"ladder": (0, 4)}, "1 to 16 bits, or 32"),
    ],
)
def test_errors_of_allocate(arguments, words):
    with pytest.raises(ValueError, match=words):
        allocate(**{"sensitivities": {"a": 1.0}, "sizes": {"a": 3}, "bits": 2, **arguments})


def test_training_with_a_small_memory(rng):
    x0 = wb.data.toys.ring(2000, generator=rng).float()
    model = wb.NetworkDenoiser(wb.nets.MLP(2, width=32, generator=rng), wb.schedules.Rectified(), "velocity")

    def losses(objective):
        seen, draws = [], torch.Generator().manual_seed(5)
        wb.nets.fit(
            model, x0, steps=25, batch=128, objective=objective, generator=draws, callback=lambda step, _: seen.append(step.loss)
        )
        return seen

    plain, small = losses(wb.nets.FlowMatching()), {}
    for bits, interval in ((32, None), (4, None), (2.5, 10)):
        small[bits] = SmallMemory(wb.nets.FlowMatching(), bits, generator=torch.Generator().manual_seed(3), interval=interval)
        seen, memory = losses(small[bits]), small[bits].memory
        assert memory.before > 10_000 and (memory.before == memory.after) == (bits == 32)
        assert (seen == plain) == (bits == 32) and seen[0] == plain[0] and abs(seen[-1] - plain[-1]) < 0.1 * plain[-1]
    codes = [saved for saved in memory.saved if saved.stored_as == "codes"]
    assert isinstance(memory.bits, dict) and len({saved.bits for saved in codes}) > 1
    assert sum(saved.bits * saved.numbers for saved in codes) <= 2.5 * sum(saved.numbers for saved in codes)


def test_judging_without_gradients_keeps_nothing(rng):
    model = wb.NetworkDenoiser(wb.nets.MLP(2, generator=rng), wb.schedules.Rectified(), "velocity")
    small = SmallMemory(wb.nets.FlowMatching(), 4, generator=rng)
    with torch.no_grad():
        small.losses(model, torch.randn(8, 2, generator=rng), rng)
    assert small.memory is None and small.target_halflife is None and wb.cite(small)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bits": 2.5}, "whole number"),
        ({"interval": 0}, "at least 1 step"),
        ({"how": "x"}, "choose one of"),
        ({"bits": 40}, "1 to 16"),
        ({"group": 0}, "group"),
    ],
)
def test_errors_of_training(arguments, words, rng):
    with pytest.raises(ValueError, match=words):
        SmallMemory(wb.nets.FlowMatching(), **{"generator": rng, **arguments})
