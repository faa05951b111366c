"""Learned rotations: every step stays orthogonal, goes downhill at the rate that the formula says, and the function stays."""

import pytest
import torch

from workbench.nets import MLP
from workbench.quantizers import Affine, cayley_step, hadamard, learned_rotation, rotated
from workbench.quantizers.hadamard import turned

FOUR = Affine(bits=4, block=(-1,))


def orthogonal(n, rng):
    return torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=torch.float64))[0]


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.5, 30.0])
def test_it_stays_orthogonal_for_every_rate(rate, rng):
    r, g = orthogonal(12, rng), torch.randn(12, 12, generator=rng, dtype=torch.float64)
    new = r
    for _ in range(20):
        new = cayley_step(new, g, rate)
    assert (new @ new.T - torch.eye(12)).abs().max() < 1e-12
    assert torch.equal(new, r) == (rate == 0) or (new - r).abs().max() < 1e-14


def test_it_goes_downhill_as_fast_as_the_formula_says(rng):
    """For the loss <G, R> the change is -rate / 2 ||G R^T - R G^T||^2 + O(rate^2)."""
    r, g = orthogonal(6, rng), torch.randn(6, 6, generator=rng, dtype=torch.float64)
    slope = 0.5 * (g @ r.T - r @ g.T).square().sum()
    for rate, tolerance in ((1e-3, 0.05), (1e-6, 1e-4)):
        change = (g * (cayley_step(r, g, rate) - r)).sum() / rate
        torch.testing.assert_close(change, -slope, rtol=tolerance, atol=0.0)


def test_it_finds_the_nearest_rotation(rng):
    target = orthogonal(5, rng)
    if torch.linalg.det(target) < 0:
        target[0] *= -1
    r = torch.eye(5, dtype=torch.float64)
    for _ in range(300):
        r = cayley_step(r, r - target, 0.5)
    assert (r - target).abs().max() < 1e-6


def test_blocks_are_turned_one_by_one(rng):
    x, r = torch.randn(3, 8, generator=rng, dtype=torch.float64), orthogonal(4, rng)
    torch.testing.assert_close(turned(x, r), torch.cat([x[:, :4] @ r, x[:, 4:] @ r], 1))
    torch.testing.assert_close(turned(x, hadamard(torch.eye(4, dtype=torch.float64), 4)), hadamard(x, 4))


def planted(rng):
    x, w = torch.randn(128, 32, generator=rng), torch.randn(24, 32, generator=rng) / 6
    x[:, [3, 17]] *= 30
    return x, w


def loss(x, w, r):
    return float((FOUR.simulate(turned(x, r)) @ FOUR.simulate(turned(w, r)).T - x @ w.T).square().mean())


def test_learning_never_loses_and_helps_on_planted_outliers(rng):
    x, w = planted(rng)
    start = hadamard(torch.eye(16), 16)
    assert torch.equal(learned_rotation(x, w, FOUR, FOUR, 16, steps=0), start)
    found = learned_rotation(x, w, FOUR, FOUR, 16, steps=40)
    assert (found @ found.T - torch.eye(16)).abs().max() < 1e-5
    assert loss(x, w, found) < 0.9 * loss(x, w, start)


def test_a_network_with_learned_rotations_is_the_same_function(rng):
    net = MLP(2, width=24, depth=2, generator=rng).requires_grad_(False)
    other = rotated(net, 8, learned={"hidden.0": orthogonal(12, rng).float()})
    x, t = torch.randn(5, 2, generator=rng), torch.linspace(0.1, 0.9, 5)
    torch.testing.assert_close(other(x, t), net(x, t), rtol=1e-4, atol=1e-5)
    assert other.hidden[0].matrix.shape == (12, 12) and other.first.matrix is None
    assert other.hidden[0].paper == "liu2025spinquant" and other.first.paper == "ashkboos2024quarot"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: cayley_step(torch.eye(2), torch.full((2, 2), float("nan")), 0.1), "NaN or infinite"),
        (lambda net: learned_rotation(torch.ones(2, 4), torch.ones(3, 4), FOUR, FOUR, 4, steps=-1), "at least 0"),
        (lambda net: learned_rotation(torch.ones(2, 4), torch.ones(3, 4), FOUR, Affine(rounding="stochastic"), 4), "nearest"),
        (lambda net: learned_rotation(torch.ones(2, 6), torch.ones(3, 6), FOUR, FOUR, 4), "divides the last axis|must divide"),
        (lambda net: rotated(net, learned={"hidden.0": torch.ones(12, 12)}), "off orthogonal"),
        (lambda net: rotated(net, learned={"hidden.0": torch.eye(7)}), "must divide them"),
        (lambda net: rotated(net, learned={"hidden.9": torch.eye(8)}), "no layer is called hidden.9"),
        (lambda net: turned(torch.ones(2, 4), torch.ones(2, 3)), "must divide it"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(MLP(2, width=24, depth=2, generator=torch.Generator().manual_seed(0)))
