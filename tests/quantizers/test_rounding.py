"""Stochastic rounding: its mean and its variance by z-scores, and what floating point does to the textbook formula."""

import dataclasses
import math

import pytest
import torch

from workbench.quantizers import Affine, Codebook, number_formats, rounding

REPEATS = 2000


def z_scores(draws, mean, variance):
    """Of the means of draws (repeats, entries), where the variance is not 0."""
    moving = variance > 0
    error = draws.mean(0) - mean
    assert bool((error[~moving].abs() < 1e-12).all())
    return error[moving] / (variance[moving] / len(draws)).sqrt()


def holds(z):
    assert bool((z.abs() < 5).all())
    assert 1 - 5 * math.sqrt(2 / len(z)) < z.square().mean() < 1 + 5 * math.sqrt(2 / len(z))


def test_mean_and_variance(rng):
    u = torch.cat([torch.linspace(-3.9, 3.9, 400, dtype=torch.float64), torch.tensor([-2.0, 0.0, 5.0], dtype=torch.float64)])
    draws = rounding.stochastic(u.expand(REPEATS, -1), rng)
    f = u - u.floor()
    variance = f * (1 - f)
    holds(z_scores(draws, u, variance))
    fourth = variance * (1 - 3 * variance)
    holds(z_scores((draws - u).square(), variance, fourth - variance**2))
    assert bool(((draws - u).abs() < 1).all())


def test_whole_numbers_never_move(rng):
    u = torch.arange(-7.0, 8.0).expand(100_000, -1)
    assert torch.equal(rounding.stochastic(u, rng), u)


def test_the_textbook_form_can_leave_the_range():
    """floor(u + U) with the largest U below 1 that a float32 generator gives: 7 becomes 8, one code too many for 4 bits."""
    largest = torch.tensor(1 - 2.0**-24)
    assert largest < 1
    assert (torch.tensor(7.0) + largest).floor() == 8


def test_tiny_numbers(rng):
    u = torch.tensor([-1e-30, 1e-30, -0.0]).expand(1000, -1)
    assert bool((rounding.stochastic(u, rng) == 0).all())


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("zero", ["center", "integer", "free"])
def test_a_quantizer_keeps_the_mean(bits, zero, rng):
    x = torch.randn(300, generator=rng, dtype=torch.float64) + 0.3
    quantizer = Affine(bits=bits, zero=zero, rounding="stochastic")
    steps = quantizer.choose(x)
    draws = dataclasses.replace(quantizer, block=(1, -1)).simulate(x.expand(REPEATS, -1), rng)
    step = steps.step.double().item()
    start = 0.0 if steps.start is None else steps.start.double().item()
    f = ((x - start) / step) % 1
    inside = torch.ones_like(x, dtype=torch.bool)
    inside[[int(x.argmax()), int(x.argmin())]] = False  # the ends may lie beyond the last level by a rounding of the step
    if zero == "integer":  # a zero point is rounded, so one end can lie half a step outside
        low, high = (steps.low - steps.zero.item()) * step, (steps.high - steps.zero.item()) * step
        inside &= (x > low) & (x < high)
    f = torch.where((f < 1e-6) | (f > 1 - 1e-6), 0.0, f)
    holds(z_scores(draws[:, inside], x[inside], (f * (1 - f) * step**2)[inside]))


def test_a_table_keeps_the_mean(rng):
    x = torch.randn(300, generator=rng, dtype=torch.float64)
    quantizer = Codebook(values=number_formats.normal_float(), rounding="stochastic")
    draws = dataclasses.replace(quantizer, block=(1, -1)).simulate(x.expand(REPEATS, -1), rng)
    step = float(x.abs().max().float())
    levels = torch.tensor(quantizer.values, dtype=torch.float64) * step
    place = torch.searchsorted(levels, x, right=True)
    inside = (place > 0) & (place < len(levels))
    below, above = levels[(place - 1).clamp(min=0)], levels[place.clamp(max=len(levels) - 1)]
    holds(z_scores(draws[:, inside], x[inside], ((x - below) * (above - x))[inside]))


def test_the_same_generator_gives_the_same_numbers():
    x, quantizer = torch.linspace(-1, 1, 50), Affine(bits=3, rounding="stochastic")
    one, two = (quantizer.simulate(x, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, quantizer.simulate(x, torch.Generator().manual_seed(6)))


def test_errors():
    with pytest.raises(ValueError, match="stochastic rounding draws numbers: give generator="):
        Affine(rounding="stochastic").quantize(torch.ones(3))
    with pytest.raises(ValueError, match="choose one of 'nearest', 'stochastic'"):
        Affine(rounding="down")
