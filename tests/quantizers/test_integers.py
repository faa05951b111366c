"""The float32 product of whole numbers against int64, bit for bit."""

import pytest
import torch

from workbench.quantizers import Affine, integers, nf4


def whole(shape, low, high, rng):
    return torch.randint(low, high + 1, shape, generator=rng)


@pytest.mark.parametrize(("low", "high"), [(-127, 127), (-128, 127), (-7, 7), (0, 255), (-32767, 32767), (0, 0)])
@pytest.mark.parametrize("depth", [0, 1, 1040, 1041, 3000])
def test_equal_to_int64(low, high, depth, rng):
    a, b = whole((6, depth), low, high, rng), whole((depth, 5), low, high, rng)
    found = integers.matmul(a.to(torch.int32), b.to(torch.int32))
    assert found.dtype == torch.int64
    assert torch.equal(found, a @ b)


@pytest.mark.parametrize(("low", "high"), [(127, 127), (-128, 127), (-128, -128), (7, 7)])
def test_the_worst_case_is_exact_up_to_the_depth_and_not_beyond(low, high):
    largest = max(-low, high)
    depth = integers.exact_depth(largest, largest)
    assert depth == {127: 1040, 128: 1024, 7: 342_392}[largest]
    ones = torch.full((1, depth), largest)
    assert int(integers.matmul(ones, ones.T)) == depth * largest**2
    exact = torch.tensor(float(depth * largest**2), dtype=torch.float32)
    assert int(exact) == depth * largest**2
    assert any(int(torch.tensor(float(2**24)) + k) != 2**24 + k for k in (1,))  # what one more odd product would meet


def test_one_float32_product_would_not_do():
    """K = 2048 products of 127 by 127: an odd partial sum above 2^24 is not a float32."""
    a = torch.full((1, 2049), 127)
    assert int((a.float() @ a.T.float()).item()) != 2049 * 127**2
    assert int(integers.matmul(a, a.T)) == 2049 * 127**2


@pytest.mark.parametrize("zeros", [("center", "center"), ("integer", "center"), ("center", "integer"), ("integer", "integer")])
@pytest.mark.parametrize("blocks", [(None, None), ((1, -1), (1, -1)), ((-1,), None)])
def test_linear_is_the_product_of_the_restored(zeros, blocks, rng):
    x, weight, bias = torch.randn(7, 50, generator=rng) + 0.5, torch.randn(9, 50, generator=rng), torch.randn(9, generator=rng)
    small = [Affine(bits=8, zero=z, block=b).quantize(t) for z, b, t in zip(zeros, blocks, (x, weight), strict=True)]
    found = integers.linear(*small, bias)
    expected = small[0].dequantize().double() @ small[1].dequantize().double().T + bias
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert (found - (x @ weight.T + bias)).abs().max() < 0.6


def test_exact_with_powers_of_two(rng):
    """Codes times powers of two: no rounding at all is left, and the two ways agree to the last bit."""
    from workbench.quantizers import PowerOfTwo

    quantizer = Affine(bits=8, block=(1, -1), scales=PowerOfTwo())
    x, weight = (quantizer.quantize(torch.randn(5, 400, generator=rng)) for _ in range(2))
    exact = (x.dequantize().double() @ weight.dequantize().double().T).float()
    assert torch.equal(integers.linear(x, weight), exact)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: integers.matmul(torch.ones(2, 2), torch.ones(2, 2)), TypeError, "whole numbers"),
        (lambda: integers.matmul(torch.ones(2, 3).int(), torch.ones(2, 3).int()), ValueError, "give \\(n, k\\) and \\(k, m\\)"),
        (lambda: integers.matmul(torch.full((1, 4), 2**31), torch.full((4, 1), 2**31)), ValueError, "leave 64 bits"),
        (lambda: integers.linear(nf4().quantize(torch.ones(2, 4)), nf4().quantize(torch.ones(2, 4))), ValueError, "Affine"),
        (
            lambda: integers.linear(Affine(block=(1, 2)).quantize(torch.ones(2, 4)), Affine().quantize(torch.ones(2, 4))),
            ValueError,
            "one step for a row",
        ),
        (
            lambda: integers.linear(Affine(zero="free").quantize(torch.ones(2, 4)), Affine().quantize(torch.ones(2, 4))),
            ValueError,
            "zero='center' or 'integer'",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_large_numbers_by_the_slow_way():
    a, b = torch.tensor([[2**30, 3]]), torch.tensor([[2**30], [5]])
    assert int(integers.matmul(a, b)) == 2**60 + 15
