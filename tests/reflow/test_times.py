"""Densities of time: what is drawn has the density that is stated, which integrates to one, and the quantiles invert it."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from workbench.nets import UniformTimes
from workbench.reflow import LogitNormal, Uniform, UShaped
from workbench.schedules import Rectified

DENSITIES = (
    UShaped(),
    UShaped(1.0),
    UShaped(20.0),
    UShaped(0.0),
    UShaped(4.0, center=0.0),
    UShaped(6.0, center=0.3),
    LogitNormal(),
    LogitNormal(-0.5, 0.7),
)


def p(density, t):
    return float(density.density(torch.tensor([t], dtype=torch.float64)))


def mass(density, t):
    """The integral of the density from 0 to t."""
    return integrate.quad(lambda s: p(density, s), 0.0, t, epsabs=1e-12, epsrel=1e-10)[0]


@pytest.mark.parametrize("density", DENSITIES, ids=str)
def test_the_quantiles_invert_the_integral_of_the_density(density):
    u = torch.tensor([0.03, 0.2, 0.5, 0.8, 0.97], dtype=torch.float64)
    found = density.at(u)
    assert [mass(density, float(t)) for t in found] == pytest.approx(u.tolist(), abs=1e-8)
    assert mass(density, 1.0) == pytest.approx(1, abs=1e-8)
    assert p(density, -0.01) == p(density, 1.01) == 0


@pytest.mark.parametrize("density", DENSITIES, ids=str)
def test_what_is_drawn_has_this_density(density):
    drawn = density.draw(Rectified(), 20_000, torch.Generator().manual_seed(3))
    assert drawn.dtype == torch.float64 and drawn.shape == (20_000,) and float(drawn.min()) > 0 and float(drawn.max()) <= 1
    grid = np.linspace(0, 1, 4001)
    heights = density.density(torch.from_numpy(grid)).numpy()
    below = np.concatenate([[0], integrate.cumulative_simpson(heights, x=grid)])
    test = stats.kstest(drawn.numpy(), lambda t: np.interp(t, grid, below))
    assert test.pvalue > 0.01
    assert stats.kstest(drawn.numpy() ** 1.05, lambda t: np.interp(t, grid, below)).pvalue < 1e-4  # it would notice


def test_uniform_is_uniform_on_the_whole_schedule():
    drawn = Uniform().draw(Rectified(), 20_000, torch.Generator().manual_seed(0))
    assert stats.kstest(drawn.numpy(), "uniform").pvalue > 0.01 and Uniform is UniformTimes


def test_the_u_shape_of_the_paper_in_numbers():
    a, drawn = 4.0, UShaped().draw(Rectified(), 400_000, torch.Generator().manual_seed(1))
    variance = 0.25 + 2 / a**2 - 1 / math.tanh(a / 2) / a
    assert variance == pytest.approx(0.11567, abs=5e-6)
    second = integrate.quad(lambda t: (t - 0.5) ** 2 * p(UShaped(), t), 0, 1)[0]
    assert second == pytest.approx(variance, abs=1e-10)
    assert float(drawn.mean()) == pytest.approx(0.5, abs=2e-3) and float(drawn.var()) == pytest.approx(variance, abs=5e-4)
    assert p(UShaped(), 0.5) == pytest.approx(0.5514, abs=5e-5)
    assert p(UShaped(), 0.0) == p(UShaped(), 1.0) == pytest.approx(2.0746, abs=5e-5)
    assert 2 * mass(UShaped(), 0.1) == pytest.approx(0.345, abs=5e-4)
    for t in (0.1, 0.7):  # the mixture of e^(a t) and its mirror image
        assert p(UShaped(), t) == pytest.approx(a * (math.exp(a * t) + math.exp(a * (1 - t))) / (2 * (math.exp(a) - 1)))


def test_a_small_preference_is_none():
    t = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    for small in (0.0, 1e-7, 1e-5, 1e-3):
        assert torch.allclose(UShaped(small).at(t), t, atol=1e-6)
        assert torch.allclose(UShaped(small).density(t), torch.ones_like(t), atol=1e-6)


def test_as_the_text_has_it_there_is_no_u():
    """Proportional to e^(a u) + e^(-a u) on [0, 1], it rises throughout."""
    quoted, t = UShaped(4.0, center=0.0), torch.linspace(0, 1, 50, dtype=torch.float64)
    heights = quoted.density(t)
    assert torch.all(heights.diff() > 0)
    ratio = heights / ((4 * t).exp() + (-4 * t).exp())
    assert torch.allclose(ratio, ratio[0].expand(50))
    assert torch.allclose(UShaped(4.0, center=1.0).density(1 - t), heights)


def test_draws_scale_with_the_schedule_and_never_reach_zero():
    class Long(Rectified):
        t_max = 2.0

    for density in (UShaped(100.0), LogitNormal(-3.0), UShaped(100.0, center=0.0), UShaped(100.0, center=1.0)):
        t = density.draw(Long(), 4096, torch.Generator().manual_seed(0))
        assert float(t.min()) > 0 and float(t.max()) <= 2.0
        assert torch.equal(t, 2 * density.draw(Rectified(), 4096, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: UShaped(-1.0), "a=-1.0; it needs to be between 0"),
        (lambda: UShaped(float("nan")), "a=nan"),
        (lambda: UShaped(101.0), "a=101.0"),
        (lambda: UShaped(4.0, center=1.5), "center=1.5; it is a time"),
        (lambda: LogitNormal(float("inf")), "mean=inf"),
        (lambda: LogitNormal(0.0, 0.0), "std=0.0; a finite mean and a positive std"),
    ],
)
def test_what_is_no_density(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_logit_is_normal():
    drawn = LogitNormal(-0.5, 0.7).draw(Rectified(), 20_000, torch.Generator().manual_seed(2))
    assert stats.kstest(torch.logit(drawn).numpy(), stats.norm(-0.5, 0.7).cdf).pvalue > 0.01
