"""The uniform quantizer: bounds, idempotence, symmetries, bytes, and every kind of input."""

import dataclasses
import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from workbench.quantizers import Affine, Float, PowerOfTwo, blocks, choose, clipping, dequantize, quantize

FORMS = [
    (bits, zero) for bits in (1, 2, 3, 4, 5, 8, 12, 16) for zero in ("center", "integer", "free") if bits > 1 or zero != "center"
]
PIECES = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 8: (8,), 12: (8, 4), 16: (8, 8)}
forms = pytest.mark.parametrize(("bits", "zero"), FORMS)


def entry_steps(quantizer, x):
    """Each entry's step."""
    return blocks.spread(quantizer.choose(x.float()).step, x.shape, quantizer.block).expand(x.shape)


@forms
@pytest.mark.parametrize("block", [None, (1, -1), (1, 5), (-1, 1), (3, 4)])
def test_the_error_is_at_most_half_a_step(bits, zero, block, rng):
    x = torch.randn(9, 13, generator=rng) * torch.logspace(-2, 2, 9)[:, None] + 0.2
    quantizer = Affine(bits=bits, zero=zero, block=block)
    small = quantizer.quantize(x)
    restored, step = small.dequantize(), entry_steps(quantizer, x)
    slack = 4 * torch.finfo(torch.float32).eps * (x.abs() + step)
    half = step / 2 if zero != "integer" else step  # a rounded zero point may clip the ends by half a step more
    assert bool(((restored - x).abs() <= half + slack).all())
    assert small.codes.min() >= 0 and int(small.codes.max()) < 2**bits
    assert len(small.codes.unique()) <= (2**bits - 1 if zero == "center" else 2**bits)
    assert torch.equal(restored, quantizer.simulate(x))


def test_only_the_ends_pass_half_a_step_with_a_zero_point(rng):
    x = torch.randn(4000, generator=rng)
    quantizer = Affine(bits=4, zero="integer")
    far = (quantizer.simulate(x) - x).abs() > quantizer.choose(x).step * 0.50001
    assert bool((far <= ((x == x.max()) | (x == x.min()) | (x.abs() > 2.5))).all())


@forms
def test_what_is_a_level_stays(bits, zero, rng):
    quantizer = Affine(bits=bits, zero=zero, block=(1, 8))
    x = torch.randn(6, 21, generator=rng)
    once = quantizer.quantize(x)
    again = quantizer.quantize(once.dequantize())
    if zero != "integer":  # there the rounded zero point can leave an end without a level, and the range shrinks once
        assert torch.equal(once.codes, again.codes)
        torch.testing.assert_close(once.dequantize(), again.dequantize(), rtol=3e-7, atol=1e-6 if zero == "free" else 0.0)
    steps = quantizer.choose(x)
    levels = dequantize(quantize(x, steps), steps)
    assert torch.equal(dequantize(quantize(levels, steps), steps), levels)


def test_powers_of_two_make_it_idempotent_to_the_last_bit(rng):
    x = torch.randn(1000, generator=rng)
    quantizer = Affine(bits=4, block=(10,), scales=PowerOfTwo())
    once = quantizer.simulate(x)
    assert torch.equal(quantizer.simulate(once), once)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_odd_symmetry(bits, rng):
    x, quantizer = torch.randn(500, generator=rng), Affine(bits=bits, block=(50,))
    assert torch.equal(quantizer.simulate(-x), -quantizer.simulate(x))


@forms
def test_powers_of_two_pass_through(bits, zero, rng):
    x, quantizer = torch.randn(500, generator=rng), Affine(bits=bits, zero=zero, block=(50,))
    for power in (2.0**-30, 0.25, 2.0**40):
        assert torch.equal(quantizer.simulate(power * x), power * quantizer.simulate(x))


@forms
def test_zero_stays_zero(bits, zero, rng):
    x = torch.rand(200, generator=rng) + 1.5  # all positive: a range that would not contain 0 by itself
    x[::7] = 0
    restored = Affine(bits=bits, zero=zero).simulate(x)
    if zero == "free":
        x = torch.rand(200, generator=rng) + 1.5
        restored = Affine(bits=bits, zero=zero).simulate(x)
        assert restored.min() == x.min()
        torch.testing.assert_close(restored.max(), x.max(), rtol=1e-6, atol=0.0)
    else:
        assert bool((restored[::7] == 0).all())


def test_smaller_blocks_never_have_a_larger_step(rng):
    x = torch.randn(8, 64, generator=rng)
    for coarse, fine in [(None, (1, -1)), ((1, -1), (1, 32)), ((1, 32), (1, 8)), ((4, 16), (2, 8))]:
        a, b = (entry_steps(Affine(bits=4, block=block), x) for block in (coarse, fine))
        assert bool((b <= a).all())


def test_an_unfinished_block_changes_nothing(rng):
    x = torch.randn(3, 10, generator=rng)
    cut = Affine(bits=4, block=(1, 4)).simulate(x)
    whole = Affine(bits=4, block=(1, 4)).simulate(x[:, :8])
    assert torch.equal(cut[:, :8], whole)
    assert torch.equal(cut[:, 8:], Affine(bits=4, block=(1, -1)).simulate(x[:, 8:]))


@forms
@pytest.mark.parametrize("scales", [Float(), Float(torch.float16), PowerOfTwo()])
def test_bytes(bits, zero, scales):
    for shape, block, count in [((5, 7), (1, -1), 5), ((5, 7), (1, 4), 10), ((5, 7), None, 1), ((33,), (8,), 5), ((0,), (8,), 0)]:
        quantizer = Affine(bits=bits, zero=zero, block=block, scales=scales)
        small = quantizer.quantize(torch.ones(shape))
        n = math.prod(shape)
        codes = sum(-(-n * width // 8) for width in PIECES[bits])
        step = {Float(): 4, Float(torch.float16): 2, PowerOfTwo(): 1}[scales]
        beside = {"center": 0, "integer": 1 if bits <= 8 else 2, "free": 4}[zero]
        assert small.nbytes == quantizer.nbytes(shape) == codes + count * (step + beside)
    four = Affine(bits=4, block=(1, 32)).quantize(torch.ones(2, 64))
    assert four.bits_per_entry == 4 + 32 / 32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes(dtype, rng):
    x = torch.randn(64, generator=rng).to(dtype)
    small = Affine(bits=8, block=(16,)).quantize(x)
    restored = small.dequantize()
    assert restored.dtype == dtype
    exact = Affine(bits=8, block=(16,)).simulate(x.double())
    torch.testing.assert_close(restored, exact.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


def test_layout_does_not_matter(rng):
    x = torch.randn(6, 10, generator=rng)
    quantizer = Affine(bits=4, block=(1, 5))
    expected = quantizer.quantize(x.T.clone())
    found = quantizer.quantize(x.T)
    assert torch.equal(found.dequantize(), expected.dequantize()) and torch.equal(found.parts["codes"], expected.parts["codes"])
    assert torch.equal(quantizer.simulate(x[:, ::2]), quantizer.simulate(x[:, ::2].clone()))


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=40),
    st.sampled_from([form for form in FORMS if form[0] > 1]),
    st.sampled_from([None, (1,), (3,), (-1,)]),
    st.sampled_from(["nearest", "stochastic"]),
)
def test_any_finite_numbers(numbers, form, block, rounding):
    bits, zero = form
    x = torch.tensor(numbers, dtype=torch.float32)
    quantizer = Affine(bits=bits, zero=zero, block=block, rounding=rounding)
    small = quantizer.quantize(x, torch.Generator().manual_seed(0))
    restored = small.dequantize()
    assert restored.shape == x.shape and bool(restored.isfinite().all())
    step = entry_steps(quantizer, x)
    slack = 8 * torch.finfo(torch.float32).eps * (x.abs() + step).double() + 1e-37
    reach = 0.5 if rounding == "nearest" and zero != "integer" else 1.0
    assert bool(((restored.double() - x.double()).abs() <= reach * 1.001 * step + slack + 0.5 * step * (zero == "integer")).all())
    assert small.nbytes == quantizer.nbytes(x.shape)


def test_all_zero_and_one_element_and_empty():
    for zero in ("center", "integer", "free"):
        quantizer = Affine(bits=4, zero=zero, block=(2,))
        assert torch.equal(quantizer.simulate(torch.zeros(5)), torch.zeros(5))
        assert quantizer.simulate(torch.zeros(0)).shape == (0,)
        for value in (3.7, -3.7):
            torch.testing.assert_close(quantizer.simulate(torch.tensor([value])), torch.tensor([value]))
        scalar = Affine(bits=4, zero=zero).simulate(torch.tensor(2.5))
        assert scalar.shape == () and scalar == 2.5
    mixed = torch.tensor([0.0, 0.0, 1.0, -1.0])
    assert torch.equal(Affine(bits=2, block=(2,)).simulate(mixed), mixed)


@forms
@pytest.mark.parametrize("rule", ["up", "floor"])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_blocks_of_zeros_with_powers_of_two(bits, zero, rule, rounding, rng):
    """They stay zeros beside any neighbor, and a neighbor does not notice them."""
    quantizer = Affine(bits=bits, zero=zero, block=(4,), scales=PowerOfTwo(rule), rounding=rounding)
    for size in (1.0, 1e-38, 1e30):
        x = torch.zeros(5, 4)
        x[1], x[3] = size * torch.tensor([1.0, -0.5, 0.25, 0.0]), -size
        restored = quantizer.quantize(x, rng).dequantize()
        assert torch.equal(restored[::2], torch.zeros(3, 4)) and bool(restored.isfinite().all())
        if rounding == "nearest":
            assert torch.equal(restored[1::2], quantizer.simulate(x[1::2]))
    assert torch.equal(quantizer.simulate(torch.zeros(3, 4), rng), torch.zeros(3, 4))
    assert torch.equal(quantizer.quantize(-torch.zeros(7), rng).dequantize(), torch.zeros(7))


def test_the_floor_rule_may_clip_and_the_other_never_does(rng):
    x = torch.randn(200, 16, generator=rng)
    up, floor = (Affine(bits=4, block=(1, -1), scales=PowerOfTwo(rule)) for rule in ("up", "floor"))
    coarse, fine = (quantizer.choose(x).step for quantizer in (up, floor))
    exact = torch.floor((x.abs().amax(1, True)).log2()) - 2  # the largest level, 7, lies above 2^2
    assert torch.equal(fine, exact.exp2()) and bool(((coarse == fine) | (coarse == 2 * fine)).all())
    clipped = x.abs().amax(1, True) > 7.5 * fine
    assert 0 < clipped.float().mean() < 0.5
    assert bool((((floor.simulate(x) - x).abs() <= fine / 2).all(1, keepdim=True) | clipped).all())


def test_clipping_never_loses_and_lies_near_the_formula(rng):
    x = torch.randn(20_000, generator=rng)
    for bits in (2, 3, 4):
        plain, clipped = (Affine(bits=bits, clip=clip).simulate(x) for clip in ("max", "mse"))
        assert (clipped - x).square().sum() < 0.8 * (plain - x).square().sum()
        found = float(clipped.abs().max())
        assert found == pytest.approx(clipping.gaussian_clip(bits), abs=0.12)
    assert [round(clipping.gaussian_clip(bits), 2) for bits in (2, 3, 4, 8)] == [1.24, 1.95, 2.47, 3.92]


def test_the_formula_for_clipping_is_the_measured_error():
    x = torch.special.ndtri((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000)
    for bits, clip in [(4, 2.0), (4, 3.0), (6, 3.25)]:
        top = 2 ** (bits - 1) - 1
        step = clip / top
        measured = ((x / step).round().clamp(-top, top) * step - x).square().mean()
        assert float(measured) == pytest.approx(clipping.gaussian_error(clip, bits), rel=0.02)


def test_clipping_blocks_independently(rng):
    x = torch.randn(3, 40, generator=rng)
    together = Affine(bits=3, block=(1, -1), clip="mse").simulate(x)
    alone = torch.cat([Affine(bits=3, clip="mse").simulate(row[None]) for row in x])
    assert torch.equal(together, alone)


def test_descriptions_compare_and_cannot_change():
    assert Affine(bits=4, block=[1, 32]) == Affine(bits=4, block=(1, 32))
    assert len({Affine(bits=4), Affine(bits=4), Affine(bits=3)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Affine().bits = 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Affine(bits=0), "1 to 16 bits"),
        (lambda: Affine(bits=1), "at least 2 bits"),
        (lambda: Affine(zero="left"), "choose one of 'center', 'integer', 'free'"),
        (lambda: Affine(clip="some"), "choose 'max'"),
        (lambda: Affine(block=(0,)), "at least 1"),
        (lambda: Affine().quantize(torch.tensor([1.0, math.nan, math.inf])), "2 of 3 numbers are NaN or infinite"),
        (lambda: Affine(block=(1, 2)).quantize(torch.ones(3)), "has 2 axes"),
        (lambda: Affine().quantize(torch.tensor([1e300], dtype=torch.float64)), "beyond float32"),
        (lambda: Affine(bits=1, zero="free").quantize(torch.tensor([-3e38, 3e38])), "beyond float32"),
        (lambda: Float(torch.int8), "float32, float16 or bfloat16"),
        (lambda: PowerOfTwo("down"), "choose 'up'"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="rounds floating-point numbers"):
        Affine().quantize(torch.arange(4))


def test_pure_functions_are_the_composition(rng):
    x = torch.randn(5, 12, generator=rng)
    steps = choose(x, 4, (1, 4), "integer")
    assert torch.equal(dequantize(quantize(x, steps), steps), Affine(bits=4, block=(1, 4), zero="integer").quantize(x).dequantize())
