"""The branch of low rank: the best of its rank, never worse for being refined, and the bound on a product of rounded matrices."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from workbench.quantizers import Affine, low_rank, refined_low_rank

FOUR = Affine(bits=4, block=(1, 16))


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (5, 5)])
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_no_matrix_of_its_rank_is_nearer(shape, rank, rng):
    w = torch.randn(*shape, generator=rng, dtype=torch.float64)
    up, down = low_rank(w, rank)
    values = torch.linalg.svdvals(w)
    left = (w - up @ down).square().sum()
    torch.testing.assert_close(left, values[rank:].square().sum(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(torch.linalg.svdvals(up)[:rank], values[:rank].sqrt())
    for _ in range(20):  # others of that rank, near it
        a, b = (part + 0.01 * torch.randn(part.shape, generator=rng, dtype=part.dtype) for part in (up, down))
        assert (w - a @ b).square().sum() >= left - 1e-12


def lost(w, branch, quantizer):
    rest = w - branch[0] @ branch[1]
    return float((rest - quantizer.simulate(rest)).norm())


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_refining_never_loses_and_helps(bits, rng):
    w, quantizer = torch.randn(48, 64, generator=rng), Affine(bits=bits, block=(1, 16))
    w[:, 5] *= 20
    errors = [lost(w, refined_low_rank(w, 4, quantizer, rounds), quantizer) for rounds in (0, 1, 2, 5, 30)]
    assert errors[0] == lost(w, low_rank(w, 4), quantizer)
    assert all(a >= b for a, b in zip(errors, errors[1:], strict=False))
    assert errors[-1] < 0.98 * errors[0]


def test_it_stops_where_nothing_is_gained():
    w = torch.eye(8)  # every rest is a level already
    best = refined_low_rank(w, 2, Affine(bits=8, block=(1, 1)), rounds=10**9)
    assert lost(w, best, Affine(bits=8, block=(1, 1))) < 1e-6


@given(st.integers(0, 2**31), st.sampled_from([2, 3, 4, 8]), st.floats(0, 3))
def test_the_bound_on_a_product(seed, bits, spread):
    """||X W - Q(X) Q(W)|| <= ||X|| ||W - Q(W)|| + ||X - Q(X)|| (||W|| + ||W - Q(W)||), also with heavy tails."""
    rng = torch.Generator().manual_seed(seed)
    x, w = (
        torch.randn(s, generator=rng).double() * (spread * torch.randn(s, generator=rng).double()).exp() for s in ((9, 12), (12, 7))
    )
    qx, qw = Affine(bits=bits, block=(1, -1)).simulate(x), Affine(bits=bits, block=(-1, 1)).simulate(w)
    off = (w - qw).norm()
    assert (x @ w - qx @ qw).norm() <= (x.norm() * off + (x - qx).norm() * (w.norm() + off)) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: low_rank(w, 0), "branches of rank 1 to 4"),
        (lambda w: low_rank(w, 5), "branches of rank 1 to 4"),
        (lambda w: low_rank(w * float("nan"), 2), "NaN or infinite"),
        (lambda w: refined_low_rank(w, 1, FOUR, -1), "at least 0 rounds"),
        (lambda w: refined_low_rank(w, 1, Affine(bits=4, rounding="stochastic")), "rounds to nearest"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(4, 6))
