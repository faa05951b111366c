"""Rank-one normalization and factors: what they bound, where they are exact, and what they store."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers import Codebook, Factored, Float, RankOne, number_formats
from workbench.quantizers.description import describe, from_description

EVEN, SIGNED = number_formats.linear_without_zero(), number_formats.dynamic()


def normalizer(x):
    """By hand: the smallest of the maxima along every axis."""
    found = torch.full(x.shape, torch.inf)
    for axis in range(x.ndim):
        others = [a for a in range(x.ndim) if a != axis]
        found = torch.minimum(found, x.abs().amax(others, keepdim=True).expand(x.shape))
    return found


@pytest.fixture
def v(rng):
    return torch.exp(2 * torch.randn(40, 30, generator=rng))


def test_half_a_step_of_the_normalizer(v):
    n, stored = normalizer(v), RankOne(values=EVEN).simulate(v)
    assert torch.all(v <= n) and torch.all(n <= v.max())
    u, found = v / n, stored / n
    assert torch.all((found - u).abs()[u >= 1 / 16] <= 1 / 32 + 1e-6)
    assert torch.all((found - u).abs()[u < 1 / 16] <= 1 / 16) and torch.all(found >= 1 / 16 - 1e-7)
    assert torch.all(1 / stored.sqrt() <= 4 / n.sqrt() * (1 + 1e-6)), "the bound of the chapter"
    assert torch.all(stored / v >= 2 / 3 - 1e-6), "and the other: a step is at most sqrt(3/2) too long"


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1, 40), (4, 3, 2), (8, 4, 3, 3)])
def test_any_shape_against_the_normalizer_by_hand(shape, rng):
    x = torch.randn(shape, generator=rng)
    levels, found = torch.tensor(SIGNED), RankOne(values=SIGNED).quantize(x)
    u = x / normalizer(x)
    nearest = levels[(u[..., None] - levels).abs().argmin(-1)]
    torch.testing.assert_close(found.dequantize(), normalizer(x) * nearest)
    assert found.nbytes == RankOne(values=SIGNED).nbytes(shape) == -(-x.numel() // 2) + 4 * sum(shape)


def test_exact_on_the_smaller_of_two_and_not_on_products(rng):
    a, b = (torch.exp(3 * torch.randn(n, generator=rng, dtype=torch.float64)).float() for n in (30, 50))
    b[0] = a[0] = 2 * torch.cat([a, b]).max()
    smaller = torch.minimum(a[:, None], b)
    torch.testing.assert_close(RankOne(values=EVEN).simulate(smaller), smaller, rtol=1e-6, atol=0)
    assert not torch.allclose(Codebook(values=EVEN, block=(1, 25)).simulate(smaller), smaller, rtol=0.1, atol=0)
    torch.testing.assert_close(
        torch.outer(a, b) / normalizer(torch.outer(a, b)), torch.maximum((a / a.max())[:, None], b / b.max())
    )


def test_rows_may_be_shuffled_and_scaled(v, rng):
    book, order = RankOne(values=EVEN), torch.randperm(40, generator=rng)
    assert torch.equal(book.simulate(v[order]), book.simulate(v)[order])
    assert torch.equal(book.simulate(4 * v), 4 * book.simulate(v))
    assert torch.equal(book.simulate(v.T), book.simulate(v).T)


def test_neither_is_always_tighter():
    """A row that is large spoils columns of no one else; a small corner beside large rows and columns is better off in blocks."""
    row = torch.ones(8, 8) * 1e-4
    row[0, 0] = 1
    one, tiles = RankOne(values=EVEN), Codebook(values=EVEN, block=(1, 4))

    def worst(q, x):
        return float((q.simulate(x) / x).max())

    assert worst(one, row) < worst(tiles, row)
    crossed = torch.ones(8, 8) * 1e-4
    crossed[7], crossed[:, 7] = 1.0, 1.0
    crossed[0, 7] = crossed[7, 0] = 1.0
    assert worst(one, crossed) > worst(tiles, crossed[:7, :4])


@pytest.mark.parametrize("shape", [(), (1,), (300,), (128,)])
def test_vectors_fall_back_to_blocks(shape, rng):
    x = torch.rand(shape, generator=rng)
    found = RankOne(values=EVEN).quantize(x)
    assert torch.equal(found.dequantize(), Codebook(values=EVEN, block=(128,)).simulate(x.reshape(-1)).view(shape))
    assert found.nbytes == RankOne(values=EVEN).nbytes(shape) == -(-x.numel() // 2) + 4 * -(-x.numel() // 128)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]), st.integers(0, 12)
)
def test_extremes_stay_finite_and_zeros_stay(seed, dtype, zeros):
    draws = torch.Generator().manual_seed(seed)
    scale = 0.4 * torch.finfo(dtype if dtype != torch.float64 else torch.float32).max
    x = (torch.rand(6, 12, generator=draws, dtype=torch.float64) ** 40 * scale).to(dtype)
    x[:, :zeros] = 0
    for how in (RankOne(values=EVEN), RankOne(values=number_formats.dynamic_without_zero()), Factored()):
        back = how.quantize(x.t()).dequantize()
        assert back.dtype == dtype and back.shape == (12, 6) and bool(back.isfinite().all())
        assert bool((back[:zeros] == 0).all()), "a row of zeros has a scale of zero"
    assert bool((RankOne(values=EVEN).simulate(torch.zeros(5, 5)) == 0).all())


def test_empty_and_strided(rng):
    for shape in ((0, 5), (5, 0), (0,)):
        assert RankOne(values=EVEN).quantize(torch.empty(shape)).dequantize().shape == shape
        assert Factored().quantize(torch.empty(shape)).dequantize().shape == shape
    x = torch.rand(20, 30, generator=rng)[::2, ::3]
    assert torch.equal(RankOne(values=EVEN).simulate(x), RankOne(values=EVEN).simulate(x.contiguous()))


def test_scales_in_other_formats(v):
    half = RankOne(values=EVEN, scales=Float(torch.float16))
    assert half.nbytes(v.shape) == 600 + 2 * 70 == half.quantize(v).nbytes
    torch.testing.assert_close(half.simulate(v), RankOne(values=EVEN).simulate(v), rtol=0.12, atol=0)


def test_chance_keeps_the_mean(rng):
    x = torch.rand(6, 5, generator=rng) + 0.1
    book = RankOne(values=EVEN, rounding="stochastic")
    drawn = torch.stack([book.simulate(x, rng) for _ in range(300)]).double()
    u, n = x / normalizer(x), normalizer(x)
    low = (16 * u).floor() / 16
    variance = ((u - low) * (low + 1 / 16 - u) * n**2).clamp(min=1e-12).double()
    inside = u < 1 - 1e-6
    z = ((drawn.mean(0) - x) / (variance / len(drawn)).sqrt())[inside]
    assert z.abs().max() < 5 and 0.4 < z.square().mean() < 1.9


def test_bad_settings():
    with pytest.raises(ValueError, match="RankOne takes rows and columns"):
        RankOne(values=EVEN, block=(1, 32))
    with pytest.raises(ValueError, match="vectors is 0"):
        RankOne(values=EVEN, vectors=0)
    with pytest.raises(ValueError, match="negative numbers; take a signed table"):
        RankOne(values=EVEN).quantize(-torch.ones(3, 3))
    for how in (RankOne(values=EVEN), Factored()):
        with pytest.raises(ValueError, match="NaN or infinite"):
            how.quantize(torch.full((3, 3), torch.nan))
    with pytest.raises(ValueError, match="not negative"):
        Factored().quantize(-torch.ones(3, 3))


def test_described():
    for how in (RankOne(values=EVEN, scales=Float(torch.float16), vectors=64), Factored()):
        assert from_description(json.loads(json.dumps(describe(how)))) == how


class TestFactored:
    def test_means_of_rows_and_columns_are_kept(self, v):
        back = Factored().quantize(v).dequantize()
        torch.testing.assert_close(back.mean(0), v.mean(0))
        torch.testing.assert_close(back.mean(1), v.mean(1))
        assert Factored().quantize(v).nbytes == Factored().nbytes(v.shape) == 4 * 70

    def test_exact_on_products_however_small(self, rng):
        a, b = torch.rand(9, generator=rng) * 1e-18, torch.rand(11, generator=rng) * 1e-18
        torch.testing.assert_close(Factored().quantize(torch.outer(a, b)).dequantize(), torch.outer(a, b), rtol=1e-5, atol=0)

    def test_more_axes_are_outputs_by_the_rest(self, rng):
        x = torch.rand(8, 4, 3, 3, generator=rng)
        back = Factored().quantize(x)
        assert torch.equal(back.dequantize(), Factored().quantize(x.flatten(1)).dequantize().view_as(x))
        assert back.nbytes == Factored().nbytes(x.shape) == 4 * (8 + 36)

    def test_vectors_are_kept(self, rng):
        x = torch.rand(10, generator=rng)
        assert torch.equal(Factored().quantize(x).dequantize(), x) and Factored().nbytes((10,)) == 40
