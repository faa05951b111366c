"""Two 4-bit pieces: exact on average, with the variance of a coin; and the published pieces, which are not."""

import math

import pytest
import torch
from chance import assert_standard, z_scores
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers.training import released_mean, split, split_as_released
from workbench.quantizers.training.splitting import BASE, REACH, TOP, largest_base

REPEATS = 1500


def heavy(n, rng):
    g = torch.randn(n, generator=rng, dtype=torch.float64)
    return g * g.square()


def test_unbiased_with_the_variance_of_a_coin(rng):
    g = torch.cat([heavy(400, rng), torch.tensor([0.0])])
    step = g.abs().max() / REACH
    u = g / step
    f = u - u.floor()
    f[u.abs().round() == u.abs()] = 0
    f[int(g.abs().argmax())] = 0
    total = sum(split(g, rng).dequantize().double() for _ in range(REPEATS))
    z = z_scores(total, REPEATS, g, (step**2 * f * (1 - f)))
    assert_standard(z)
    assert float((step**2 * f * (1 - f)).max()) <= float(step**2) / 4


def test_pieces_fit_and_the_largest_is_exact(rng):
    g = heavy(5000, rng).float()
    pieces = split(g, rng)
    assert pieces.upper.dtype == pieces.lower.dtype == torch.int8
    assert int(pieces.upper.abs().max()) == TOP and int(pieces.lower.abs().max()) <= TOP
    assert float((pieces.dequantize() - g).abs().max()) < float(pieces.step)
    for sign in (1.0, -1.0):
        ends = split(sign * torch.tensor([105.0, 98.0, 90.9, 1e-30]), rng)
        assert ends.upper[0] == sign * TOP and ends.lower[0] == sign * TOP and float(ends.step) == 1


def test_fourteen_is_the_largest_base_whose_rest_fits():
    """Every whole number within reach is upper base + lower with pieces up to 7, and one base further a rest is left over."""
    for top in (1, 3, 7, 127):
        base = largest_base(top)
        for wider, holds in ((base, True), (base + 1, False), (base + 2, False)):
            u = torch.linspace(-(top * wider), top * wider, 200_001, dtype=torch.float64)
            rest = u - wider * (u / wider).round()
            assert bool((rest.abs() <= top + 1e-9).all()) == holds
        seen = {base * a + b for a in range(-top, top + 1) for b in range(-top, top + 1)}
        assert seen == set(range(-(base * top + top), base * top + top + 1))
    assert largest_base(7) == BASE == 14 and REACH == 105
    with pytest.raises(ValueError, match="at least 1"):
        largest_base(0)


def test_the_published_pieces_are_biased_as_computed(rng):
    g = torch.linspace(-1, 1, 401, dtype=torch.float64)
    step = 1 / 98
    total = sum(split_as_released(g, rng).dequantize().double() for _ in range(REPEATS))
    mean = released_mean(g)
    rest = (g / step - BASE * (g / step / BASE).clamp(-6, 6).round()).clamp(-6, 6)
    f = rest - rest.floor()
    f[(f < 1e-9) | (f > 1 - 1e-9)] = 0
    assert_standard(z_scores(total, REPEATS, mean, step**2 * f * (1 - f)))
    bias = mean - g
    assert float(bias.abs().max()) == pytest.approx(8 / 98, rel=1e-3)  # 0.082 of the largest
    assert float(bias[-1]) < 0 < float(bias[0])
    inside = (g / step - BASE * (g / step / BASE).round()).abs() <= 6
    inside &= (g / step).abs() < 90
    assert float(bias[inside].abs().max()) < 1e-12
    own = sum(split(g, rng).dequantize().double() for _ in range(REPEATS)) / REPEATS - g
    assert float(own.abs().max()) < 6 * 0.5 / REACH / math.sqrt(REPEATS)


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=20))
def test_any_numbers(values):
    g = torch.tensor(values, dtype=torch.float32)
    pieces = split(g, torch.Generator().manual_seed(0))
    assert pieces.upper.shape == g.shape
    assert bool(((pieces.dequantize() - g).abs() <= 1.001 * pieces.step + 1e-44).all())


def test_shapes_zeros_and_errors(rng):
    for g in (torch.zeros(0), torch.zeros(3, 4), torch.ones(2, 3).T, torch.ones(5).half()):
        assert torch.equal(split(g, rng).dequantize() != 0, g != 0)
        assert torch.equal(split_as_released(g, rng).dequantize() != 0, g != 0)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            split(torch.tensor([1.0, bad]), rng)
    with pytest.raises((TypeError, ValueError), match="enerator"):
        split(torch.ones(3), None)
    with pytest.raises(TypeError, match="floating-point|dtype int32"):
        split(torch.ones(3, dtype=torch.int32), rng)
