"""Square tiles: the transposed matrix is the same matrix, bytes are counted exactly, products are exact within a tile."""

import itertools
import math

import pytest
import torch
from chance import assert_standard, z_scores
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers.training import BlockInt8, block_int8, block_matmul, quantize
from workbench.quantizers.training.block_int8 import spread

SHAPES = [(64, 96), (32, 32), (33, 70), (1, 1), (5, 100), (0, 4)]


def matrix(shape, rng):
    return torch.randn(shape, generator=rng) * torch.randn(shape[0], 1, generator=rng).exp()


@pytest.mark.parametrize("side", [32, 8, None])
@pytest.mark.parametrize("shape", SHAPES)
def test_transposing_and_rounding_change_places(shape, side, rng):
    x = matrix(shape, rng)
    one, two = quantize(x, side).T, quantize(x.T, side)
    assert torch.equal(one.codes, two.codes) and torch.equal(one.steps, two.steps)
    assert torch.equal(one.dequantize(), quantize(x, side).dequantize().T)
    assert one.codes.dtype == torch.int8 and one.steps.dtype == torch.float16
    wide = torch.randn(shape[0], 2 * shape[1], generator=rng)[:, ::2]
    assert torch.equal(quantize(wide, side).codes, quantize(wide.contiguous(), side).codes)


def test_steps_of_rows_cannot_be_transposed(rng):
    from workbench.quantizers import Affine

    x = matrix((32, 32), rng)
    rows = Affine(bits=8, block=(1, -1))
    assert not torch.equal(rows.simulate(x).T, rows.simulate(x.T))


@pytest.mark.parametrize("shape", SHAPES)
def test_bytes(shape, rng):
    small = quantize(matrix(shape, rng))
    stored = sum(part.numel() * part.element_size() for part in (small.codes, small.steps))
    tiles = math.ceil(shape[0] / 32) * math.ceil(shape[1] / 32)
    assert stored == small.nbytes == block_int8.nbytes(*shape) == shape[0] * shape[1] + 2 * tiles
    n = 64 * 96
    assert block_int8.nbytes(64, 96) == n + 2 * n / 1024


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_error_and_levels(shape, kind, rng):
    x = matrix(shape, rng)
    small = quantize(x, steps=kind)
    step = spread(small.steps.float(), shape, 32)
    assert bool(((small.dequantize() - x).abs() <= step / 2 * (1 + 1e-5)).all())
    for i, j in itertools.product(*map(range, small.steps.shape)):
        ideal = float(x[32 * i : 32 * i + 32, 32 * j : 32 * j + 32].abs().max() / 127)
        assert ideal <= float(small.steps[i, j]) <= ideal * (1 + 2.0 ** (-10 if kind == torch.float16 else -7))
    assert int(small.codes.abs().max()) <= 127
    again = quantize(small.dequantize())
    if kind == torch.float16:
        assert torch.equal(again.codes, small.codes) and torch.equal(again.steps, small.steps)
        odd = quantize(-x)
        assert torch.equal(odd.codes, -small.codes)


def test_a_power_of_two_scales_through(rng):
    x = matrix((40, 40), rng)
    one, two = quantize(x), quantize(8 * x)
    assert torch.equal(one.codes, two.codes) and torch.equal(8 * one.steps, two.steps)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_by_chance_the_mean_is_right(kind, rng):
    x = torch.randn(40, 50, generator=rng)
    if kind == torch.bfloat16:
        x *= 1e-9  # where float16 has no steps
    step = spread(quantize(x, steps=kind).steps.double(), x.shape, 32)
    f = x.double() / step
    f = f - f.floor()
    f[(f < 1e-6) | (f > 1 - 1e-6)] = 0
    repeats = 200
    total = sum(quantize(x, 32, "stochastic", rng, kind).dequantize().double() for _ in range(repeats))
    assert_standard(z_scores(total, repeats, x, step**2 * f * (1 - f)))


@pytest.mark.parametrize("side", [32, 16, None])
@pytest.mark.parametrize("shape", [(64, 96, 32), (33, 70, 45), (3, 1, 2), (2, 1100, 3), (2, 0, 3)])
def test_product_is_that_of_the_restored_and_of_int64_tiles(shape, side, rng):
    n, depth, m = shape
    a, b = quantize(matrix((n, depth), rng), side), quantize(matrix((depth, m), rng), side)
    found = block_matmul(a, b)
    exact = a.dequantize().double() @ b.dequantize().double()
    size = a.dequantize().double().abs() @ b.dequantize().double().abs()
    assert found.dtype == torch.float32
    assert bool(((found - exact).abs() <= 1e-5 * size + 1e-12).all())
    width, total = side or max(depth, 1), torch.zeros(n, m)
    for k in range(-(-depth // width)):
        part = slice(k * width, (k + 1) * width)
        tile = (a.codes[:, part].long() @ b.codes[part].long()).float()
        left = spread(a.steps[:, k, None].float(), (n, 1), side)
        right = spread(b.steps[k, None].float(), (1, m), side)
        total = total + tile * left * right
    torch.testing.assert_close(found, total, rtol=2e-6, atol=1e-6 * float(size.max()) if size.numel() else 0.0)


def test_one_tile_is_exact_at_its_worst():
    """32 products of 127 by 127, and 1040 of them with one step for all, are the limits; 2048 go by 64 bits."""
    for depth, side in ((32, 32), (1040, None), (2049, None)):
        a = BlockInt8(torch.full((1, depth), 127, dtype=torch.int8), torch.ones(1, 1, dtype=torch.float16), side)
        assert float(block_matmul(a, a.T)) == float(torch.tensor(float(depth * 127**2)))


def test_all_three_products_of_a_layer_from_one_stored_matrix(rng):
    """X W^T, G W and G^T X, each from the same codes."""
    x, w, g = (quantize(matrix(s, rng)) for s in ((64, 32), (96, 32), (64, 96)))
    for found, (a, b) in {0: (x, w.T), 1: (g, w), 2: (g.T, x)}.items():
        assert block_matmul(a, b).shape == (len(a.codes), b.codes.shape[1]), found
    torch.testing.assert_close(block_matmul(g.T, x), block_matmul(x.T, g).T, rtol=1e-4, atol=1e-4)


def test_outliers_stay_in_their_tiles(rng):
    """Four of 256 channels 30 times as large, one in each of four tiles: tiles are about as good as a step for each token."""
    from workbench.quantizers import Affine, sqnr

    x = torch.randn(512, 256, generator=rng)
    loud = [3, 70, 130, 200]
    x[:, loud] *= 30
    rest = [c for c in range(256) if c not in loud]

    def quality(back):
        return sqnr(x[:, rest], back[:, rest])

    tiles = quantize(x).dequantize()
    token, tensor = Affine(bits=8, block=(1, -1)).simulate(x), quantize(x, None).dequantize()
    assert quality(tiles) == pytest.approx(18.9, abs=1.0)
    assert quality(token) == pytest.approx(19.5, abs=1.0)
    assert quality(tensor) == pytest.approx(11.7, abs=1.0)


@given(st.lists(st.floats(-65504.0, 65504.0, width=32), min_size=1, max_size=12), st.sampled_from(["nearest", "stochastic"]))
def test_any_numbers(values, rounding):
    x = torch.tensor(values, dtype=torch.float32)[None]
    small = quantize(x, 4, rounding, torch.Generator().manual_seed(0))
    step = spread(small.steps.float(), x.shape, 4)
    assert bool(((small.dequantize() - x).abs() <= step * (1 + 1e-5)).all())
    assert bool(((small.codes == 0) | (step > 0)).all())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quantize(torch.ones(3, 3), 0), ValueError, "side of at least 1"),
        (lambda: quantize(torch.full((2, 2), math.nan)), ValueError, "NaN or infinite"),
        (lambda: quantize(torch.full((2, 2), 1e8)), ValueError, "beyond torch.float16"),
        (lambda: quantize(torch.ones(2, 2), steps=torch.float32), TypeError, "16 bits"),
        (lambda: quantize(torch.ones(2, 2), rounding="stochastic"), ValueError, "give generator="),
        (lambda: block_matmul(quantize(torch.ones(2, 3)), quantize(torch.ones(2, 3))), ValueError, "cannot multiply"),
        (lambda: block_matmul(quantize(torch.ones(2, 2)), quantize(torch.ones(2, 2), 2)), ValueError, "tiles of 32"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
