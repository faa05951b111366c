"""Tables of levels: the published values, nearest against a brute search, ties, and what is stored."""

import dataclasses
import math

import pytest
import torch

from workbench.quantizers import E4M3, Affine, Codebook, Doubled, PowerOfTwo, mxfp4, nf4, number_formats, nvfp4
from workbench.quantizers.number_formats import dynamic, dynamic_without_zero, linear_without_zero, minifloat, normal_float

SIGNED = [0.0055, 0.0325, 0.0775, 0.2125, 0.4375, 0.6625, 0.8875]
UNSIGNED = [
    0.00325,
    0.00775,
    0.02125,
    0.04375,
    0.06625,
    0.08875,
    0.15625,
    0.26875,
    0.38125,
    0.49375,
    0.60625,
    0.71875,
    0.83125,
    0.94375,
]
NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
BOOKS = {
    "dynamic": dynamic(),
    "dynamic-8": dynamic(8),
    "unsigned": dynamic(signed=False),
    "without-zero": dynamic_without_zero(),
    "linear": linear_without_zero(),
    "nf4": normal_float(),
    "e2m1": minifloat(),
    "e4m3": minifloat(4, 3),
    "sign": (-1.0, 1.0),
}
books = pytest.mark.parametrize("values", BOOKS.values(), ids=BOOKS.keys())


def test_published_values():
    assert dynamic() == pytest.approx([-v for v in reversed(SIGNED)] + [0, *SIGNED, 1])
    assert dynamic(signed=False) == pytest.approx([0, *UNSIGNED, 1])
    assert dynamic_without_zero() == pytest.approx([*UNSIGNED, 1])
    assert linear_without_zero() == tuple(k / 16 for k in range(1, 17))
    assert linear_without_zero(4, 2.0)[3] == (4 / 16) ** 2
    assert normal_float() == pytest.approx(NF4, abs=5e-7)
    assert minifloat() == (-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6)


def test_small_floats_are_those_of_the_machine():
    finite = torch.arange(256, dtype=torch.uint8).view(torch.float8_e5m2).float()
    finite = finite[finite.isfinite() & (finite.abs() < 2**16)].unique()
    assert torch.equal(torch.tensor([v for v in minifloat(5, 2) if abs(v) < 2**16]), finite)


def test_levels_of_equal_probability_would_be_wrong_at_the_ends():
    """NF4's ends are exact, and its two sides are not mirror images: 0 is a level, so one side has one more."""
    values = normal_float()
    assert values[0] == -1 and values[-1] == 1 and 0.0 in values
    assert sum(v > 0 for v in values) == 8 and sum(v < 0 for v in values) == 7


@books
def test_nearest_is_nearest(values, rng):
    x = torch.randn(2000, generator=rng, dtype=torch.float64)
    x = x if values[0] < 0 else x.abs()
    quantizer = Codebook(values=values)
    step = x.abs().max().item() / max(map(abs, values))
    levels = torch.tensor(values, dtype=torch.float64) * step
    best = (x[:, None] - levels).abs().amin(1)
    torch.testing.assert_close((quantizer.simulate(x) - x).abs(), best, rtol=1e-5, atol=1e-6)
    assert torch.equal(quantizer.quantize(x).dequantize(), quantizer.simulate(x))


@books
@pytest.mark.parametrize("block", [None, (1, -1), (1, 5)])
def test_levels_stay_and_bytes_are_exact(values, block, rng):
    x = torch.randn(4, 13, generator=rng)
    x = x if values[0] < 0 else x.abs()
    quantizer = Codebook(values=values, block=block)
    small = quantizer.quantize(x)
    again = quantizer.quantize(small.dequantize())
    if values[0] in (-1.0, -6.0, -480.0) or values[0] >= 0:  # the extreme of each block is a level
        torch.testing.assert_close(again.dequantize(), small.dequantize(), rtol=1e-6, atol=0.0)
    bits = math.ceil(math.log2(len(values)))
    grid = {None: 1, (1, -1): 4, (1, 5): 12}[block]
    assert small.nbytes == quantizer.nbytes((4, 13)) == math.ceil(52 * bits / 8) + 4 * grid


def test_the_missing_minus_one_costs_eleven_percent():
    quantizer = Codebook(values=dynamic())
    assert quantizer.simulate(torch.tensor([0.0, 2.0])).tolist() == [0.0, 2.0]
    torch.testing.assert_close(quantizer.simulate(torch.tensor([0.0, -2.0])), torch.tensor([0.0, -2 * 0.8875]))


@books
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_reads_and_a_search_find_the_same(values, dtype, rng):
    """Numbers, levels, middles between them, and what lies far outside: in 32 bits by two reads, in 64 by searching, here by distances."""
    book = Codebook(values=values)
    levels = torch.tensor(values, dtype=dtype)
    middles = (levels[1:] + levels[:-1]) / 2
    u = torch.cat([torch.randn(500, generator=rng, dtype=dtype), levels, middles, 9e9 * levels[:1], 9e9 * levels[-1:]])
    found = book.nearest(u.view(-1, 1)).long()
    assert found.shape == (len(u), 1)
    distance = (u.double()[:, None] - levels.double()).abs()
    off = (u.double() - levels.double()[found[:, 0]]).abs() - distance.amin(1)
    assert bool((off <= torch.finfo(dtype).eps * levels.abs().max()).all())


def test_halves_go_to_even_places():
    """E2M1 is rounded as IEEE arithmetic rounds: 2.5 to 2, 3.5 to 4, and alike below 0."""
    quantizer = Codebook(values=minifloat())
    halves = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0])
    even = torch.tensor([0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 6.0])
    assert torch.equal(quantizer.simulate(halves), even)
    assert torch.equal(quantizer.simulate(-halves), -even)


def test_without_zero_nothing_becomes_zero(rng):
    v = torch.rand(1000, generator=rng) ** 8
    for values in (dynamic_without_zero(), linear_without_zero()):
        assert Codebook(values=values, block=(64,)).simulate(v).min() > 0
    assert Codebook(values=dynamic(signed=False), block=(64,)).simulate(v).min() == 0


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_degenerate_inputs(rounding, rng):
    for quantizer in (
        Codebook(values=normal_float(), rounding=rounding, block=(3,)),
        Codebook(values=dynamic(), rounding=rounding),
    ):
        assert torch.equal(quantizer.simulate(torch.zeros(7), rng), torch.zeros(7))
        assert quantizer.quantize(torch.zeros(0), rng).dequantize().shape == (0,)
        assert dataclasses.replace(quantizer, block=None).simulate(torch.tensor(1.5), rng) == 1.5
        huge = torch.tensor([3e38, -1e38, 1e-40])
        assert bool(quantizer.simulate(huge, rng).isfinite().all())
    x = torch.randn(6, 10, generator=rng)
    assert torch.equal(nf4().simulate(x.T), nf4().simulate(x.T.clone()))
    half = torch.randn(100, generator=rng).half()
    assert nf4().simulate(half).dtype == torch.float16


def test_mx_blocks(rng):
    """Power-of-two steps of the standard: the largest entry ends between 4 and 8 steps, and is clipped to 6."""
    x = torch.randn(8, 64, generator=rng)
    small = mxfp4().quantize(x)
    assert small.bits_per_entry == 4 + 8 / 32
    steps = small.quantizer.scales.decode(small.parts, (8, 2))
    assert bool((steps.log2() == steps.log2().round()).all())
    largest = x.view(8, 2, 32).abs().amax(2) / steps
    assert bool(((largest >= 4) & (largest < 8)).all())
    assert mxfp4().simulate(torch.tensor([7.9, 1.0])).tolist() == [6.0, 1.0]
    exact = torch.tensor([4.0, -3.0, 0.5, 0.0])
    assert torch.equal(mxfp4().simulate(exact), exact)


def test_the_next_power_up_never_clips(rng):
    x = torch.randn(50, 32, generator=rng)
    quantizer = Affine(bits=4, block=(1, -1), scales=PowerOfTwo())
    plain = Affine(bits=4, block=(1, -1)).choose(x).step
    step = quantizer.choose(x).step
    assert bool((step >= plain).all() and (step < 2 * plain).all())
    assert bool(((quantizer.simulate(x) - x).abs() <= step / 2).all())
    assert quantizer.choose(torch.tensor([[7.0, -7.0]])).step.item() == 1.0  # a power of two is its own


def test_nvfp4_blocks(rng):
    x = torch.randn(10, 160, generator=rng)
    small = nvfp4().quantize(x)
    assert small.nbytes == 1600 // 2 + 100 + 4 == nvfp4().nbytes((10, 160))
    step = small.quantizer.scales.decode(small.parts, (10, 10))
    ideal = x.view(10, 10, 16).abs().amax(2) / 6
    assert bool(((step / ideal - 1).abs() <= 2.0**-4 + 1e-6).all())
    assert E4M3().decode(E4M3().encode(torch.tensor([1.0, 1e-9]), 6.0), (2,)).tolist() == [1.0, 0.0]
    assert torch.equal(nvfp4().simulate(torch.zeros(32)), torch.zeros(32))


def test_double_quantization(rng):
    x = torch.randn(100, 640, generator=rng)
    plain, double = nf4().quantize(x), nf4(double=True).quantize(x)
    assert double.nbytes == 64_000 // 2 + 1000 + 4 * 4 + 4 == nf4(double=True).nbytes((100, 640))
    assert double.bits_per_entry == pytest.approx(4.127, abs=0.003)
    assert plain.bits_per_entry == 4.5
    loss = [(q.dequantize() - x).square().mean().item() for q in (plain, double)]
    assert loss[1] < 1.01 * loss[0]
    inner = Doubled(Affine(bits=8, block=(256,)))
    scale = torch.rand(10, 7, generator=rng) + 0.5
    torch.testing.assert_close(inner.decode(inner.encode(scale, 1.0), (10, 7)), scale, rtol=0.01, atol=0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Codebook(values=(1.0,)), "at least two finite numbers"),
        (lambda: Codebook(values=(0.0, 0.0)), "increasing order"),
        (lambda: Codebook(values=(0.0, math.inf)), "finite"),
        (lambda: Codebook(values=minifloat(), bits=3), "15 levels need 4 bits"),
        (lambda: Codebook(values=(0.0, 1.0)).quantize(torch.tensor([-1.0])), "negative numbers; take a signed table"),
        (lambda: nf4().quantize(torch.tensor([math.nan])), "NaN"),
        (lambda: Codebook(values=number_formats.normal_float(), rounding="stochastic").quantize(torch.ones(2)), "generator="),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
