"""How large rounding noise is: the formulas, and a table measured once on a million Gaussian numbers."""

import math

import pytest
import torch

from workbench.quantizers import Affine, Codebook, nf4, noise, number_formats, sqnr

GAUSSIAN = {  # bits: per tensor, blocks of 128, blocks of 32, clipped for least squared error; decibels
    2: (0.25, 2.30, 3.64, 7.21),
    3: (6.79, 11.25, 12.90, 13.29),
    4: (14.14, 18.61, 20.26, 18.88),
    5: (20.76, 25.22, 26.88, 24.31),
    6: (27.07, 31.53, 33.19, 29.68),
    8: (39.31, 43.77, 45.44, 40.54),
}


@pytest.fixture(scope="module")
def million():
    return torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", GAUSSIAN)
@pytest.mark.parametrize(("column", "settings"), [(0, {}), (1, {"block": (128,)}), (2, {"block": (32,)}), (3, {"clip": "mse"})])
def test_the_table(bits, column, settings, million):
    """The largest of a million numbers, which sets the step of the first column, varies by some 5 percent from draw to draw (0.4 dB)."""
    x = million if column < 3 else million[:200_000]
    found = sqnr(x, Affine(bits=bits, **settings).simulate(x))
    assert found == pytest.approx(GAUSSIAN[bits][column], abs=0.15)


@pytest.mark.parametrize(
    ("quantizer", "decibels"),
    [
        (nf4(), 20.71),
        (Codebook(values=number_formats.minifloat(), block=(64,)), 19.52),
        (Affine(bits=4, block=(64,)), 19.35),
        (Codebook(values=number_formats.dynamic(), block=(64,)), 17.13),
    ],
    ids=["nf4", "e2m1", "int4", "dynamic"],
)
def test_four_bits_in_blocks_of_64(quantizer, decibels, million):
    assert sqnr(million, quantizer.simulate(million)) == pytest.approx(decibels, abs=0.15)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8, 12])
def test_numbers_spread_evenly(bits):
    x = torch.linspace(-1, 1, 200_001, dtype=torch.float64)
    assert sqnr(x, Affine(bits=bits).simulate(x)) == pytest.approx(noise.sqnr_of_uniform(bits), abs=0.03)


def test_it_is_not_six_decibels_a_bit():
    assert noise.sqnr_of_uniform(4) - noise.sqnr_of_uniform(3) == pytest.approx(7.36, abs=0.01)
    assert noise.sqnr_of_uniform(16) - noise.sqnr_of_uniform(15) == pytest.approx(20 * math.log10(2), abs=1e-3)


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_variance(rounding, rng):
    x = 100 * torch.rand(300_000, generator=rng, dtype=torch.float64)
    quantizer = Affine(bits=12, zero="free", rounding=rounding)
    step = float(quantizer.choose(x).step)
    measured = float((quantizer.simulate(x, rng) - x).square().mean())
    assert measured == pytest.approx(noise.variance(step, rounding), rel=0.01)


def test_the_price_of_chance_is_three_decibels():
    assert noise.variance(0.3, "stochastic") == 2 * noise.variance(0.3)


def test_sqnr():
    assert sqnr(torch.tensor([10.0]), torch.tensor([9.0])) == pytest.approx(20)
    assert sqnr(torch.ones(2), torch.ones(2)) == math.inf
    assert sqnr(torch.zeros(2), torch.ones(2)) == -math.inf
    with pytest.raises(ValueError, match="give a tensor and its restored version"):
        sqnr(torch.ones(2), torch.ones(3))
