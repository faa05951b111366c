"""Spectral functions against plain matrix functions; estimators; what is refused."""

import math

import pytest
import torch
from gaussian_helpers import close
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.gaussian import Dense, Diagonal, LowRank, estimate


def orthonormal(d, r, seed=0):
    return torch.linalg.qr(torch.randn(d, r, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).Q


def kinds():
    values = torch.tensor([5.0, 2.0, 0.3], dtype=torch.float64)
    basis = orthonormal(6, 3)
    spread = basis @ torch.diag(values) @ basis.T
    outside = torch.eye(6, dtype=torch.float64) - basis @ basis.T
    full = orthonormal(6, 6, seed=1)
    six = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1], dtype=torch.float64)
    return {
        "dense": (Dense(spread + 0.7 * outside), spread + 0.7 * outside),
        "diagonal": (Diagonal(six), torch.diag(six)),
        "low rank": (LowRank(basis, values, 0.7), spread + 0.7 * outside),
        "floor zero": (LowRank(basis, values), spread),
        "full rank": (LowRank(full, six, 9.0), full @ torch.diag(six) @ full.T),
    }


@pytest.fixture(params=kinds().items(), ids=lambda item: item[0])
def kind(request):
    return request.param[1]


def test_functions_of_the_matrix(kind, rng):
    covariance, matrix = kind
    x = torch.randn(4, 6, generator=rng, dtype=torch.float64)
    eye = torch.eye(6, dtype=torch.float64)
    close(covariance.apply(lambda v: v, x), x @ matrix)
    close(covariance.apply(lambda v: 1 / (2 * v + 0.3), x), torch.linalg.solve(2 * matrix + 0.3 * eye, x.T).T)
    close(covariance.quadratic(lambda v: 1 / (v + 0.1), x), (x * torch.linalg.solve(matrix + 0.1 * eye, x.T).T).sum(1))
    close(covariance.sum(lambda v: (v + 0.1).log()), torch.linalg.slogdet(matrix + 0.1 * eye).logabsdet)
    close(covariance.sum(lambda v: v), matrix.trace())
    close(covariance.map(lambda v: v**2 + 1).matrix(), matrix @ matrix + eye)
    close(covariance.matrix(), matrix)
    assert covariance.dim == 6
    assert covariance.multiplicity.sum() == 6


def test_weights_of_each_sample(kind, rng):
    covariance, _ = kind
    x = torch.randn(3, 6, generator=rng, dtype=torch.float64)
    shifts = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64)
    together = covariance.apply(lambda v: 1 / (v + shifts[:, None]), x)
    for i, shift in enumerate(shifts):
        close(together[i : i + 1], covariance.apply(lambda v, shift=shift: 1 / (v + shift), x[i : i + 1]))
    close(covariance.sum(lambda v: v * shifts[:, None]), shifts * covariance.sum(lambda v: v), 1e-12)


def test_low_rank_never_makes_a_square_matrix(rng):
    d = 100_000  # d x d would be 80 GB
    covariance = LowRank(orthonormal(d, 2), torch.tensor([3.0, 2.0], dtype=torch.float64), 0.5)
    x = torch.randn(2, d, generator=rng, dtype=torch.float64)
    back = covariance.apply(lambda v: 1 / v, covariance.apply(lambda v: v, x))
    close(back, x)
    assert covariance.sum(lambda v: v).item() == pytest.approx(5 + 0.5 * (d - 2))


def test_values_are_whole_variances_not_additions_to_the_floor():
    basis = orthonormal(5, 2)
    same = LowRank(basis, torch.full((2,), 0.25), 0.25)
    close(same.matrix(), 0.25 * torch.eye(5, dtype=torch.float64))
    assert same.floor == 0.25
    assert same.rank == 2


def test_rounding_below_zero_is_clipped_and_more_is_refused():
    basis = orthonormal(4, 4)

    def with_last(value):
        return basis @ torch.diag(torch.tensor([1.0, 0.5, 0.1, value], dtype=torch.float64)) @ basis.T

    assert Dense(with_last(-1e-15)).spectrum.min() == 0
    with pytest.raises(ValueError, match=r"positive semi-definite.*-1e-08"):
        Dense(with_last(-1e-8))
    assert Dense(with_last(-1e-8).float()).spectrum.min() >= 0  # within float32's rounding
    with pytest.raises(ValueError, match="positive semi-definite"):
        Dense(with_last(-1e-3).float())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(torch.ones(2, 3)), ValueError, r"square.*\(2, 3\)"),
        (lambda: Dense(torch.tensor([[1.0, 0.5], [0.4, 1.0]])), ValueError, "symmetric"),
        (lambda: Dense(torch.tensor([[1.0, math.nan], [math.nan, 1.0]])), ValueError, "finite"),
        (lambda: Dense(torch.eye(2).int()), TypeError, "int32"),
        (lambda: Diagonal(torch.ones(2, 2)), ValueError, r"\(d,\) variances"),
        (lambda: Diagonal(torch.tensor([1.0, -0.1])), ValueError, "squared"),
        (lambda: Diagonal(torch.tensor([1.0, math.inf])), ValueError, "finite"),
        (lambda: LowRank(torch.ones(4, 2), torch.ones(2)), ValueError, "orthonormal"),
        (lambda: LowRank(torch.eye(4)[:, :2], torch.ones(3)), ValueError, r"r <= d.*\(4, 2\) and \(3,\)"),
        (lambda: LowRank(torch.eye(4)[:2], torch.ones(4)), ValueError, "r <= d"),
        (lambda: LowRank(torch.eye(4)[:, :2], torch.tensor([1.0, -1.0])), ValueError, ">= 0"),
        (lambda: LowRank(torch.eye(4)[:, :2], torch.ones(2), -0.1), ValueError, "floor >= 0, got -0.1"),
        (lambda: LowRank(torch.eye(4)[:, :2], torch.ones(2), math.inf), ValueError, "finite floor"),
        (lambda: estimate.dense(torch.ones(1, 3)), ValueError, "two samples"),
        (lambda: estimate.dense(torch.full((3, 2), math.nan)), ValueError, "finite"),
        (lambda: estimate.low_rank(torch.rand(5, 3), 4), ValueError, "between 1 and 3"),
        (lambda: estimate.low_rank(torch.rand(5, 3), 0), ValueError, "between 1 and 3"),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=5), st.integers(0, 1000))
def test_accepts_exactly_the_positive_semi_definite(values, seed):
    spectrum = torch.tensor(values, dtype=torch.float64)
    basis = orthonormal(len(values), len(values), seed)
    matrix = basis @ torch.diag(spectrum) @ basis.T
    tolerance = 10 * len(values) * torch.finfo(torch.float64).eps * max(abs(v) for v in values)
    if min(values) < -2 * tolerance:
        with pytest.raises(ValueError, match="positive semi-definite"):
            Dense(matrix)
    elif min(values) >= 0:
        close(Dense(matrix).matrix(), matrix, 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_diagonal_accepts_exactly_the_nonnegative(values):
    if min(values) < 0:
        with pytest.raises(ValueError, match="variances >= 0"):
            Diagonal(torch.tensor(values, dtype=torch.float64))
    else:
        close(Diagonal(torch.tensor(values, dtype=torch.float64)).matrix(), torch.diag(torch.tensor(values).double()), 1e-6)


def test_estimators(rng):
    x = torch.randn(5000, 2, 3, generator=rng) * torch.tensor([1.0, 2.0, 0.1]) + 3
    reference = torch.cov(x.double().flatten(1).T, correction=0)
    close(estimate.dense(x).matrix(), reference)
    close(estimate.diagonal(x).matrix(), torch.diag(reference.diagonal()))
    close(estimate.mean_of(x), x.double().mean(0))
    low = estimate.low_rank(x, 2)
    close(low.sum(lambda v: v), reference.trace())
    close(low.spectrum[:2], torch.linalg.eigvalsh(reference).flip(0)[:2])
    assert estimate.low_rank(x, 2, floor=0.125).floor == 0.125


def test_fewer_samples_than_dimensions(rng):
    x = torch.randn(7, 20, generator=rng, dtype=torch.float64)
    reference = torch.cov(x.T, correction=0)
    low = estimate.low_rank(x, 3)
    close(low.spectrum[:3], torch.linalg.eigvalsh(reference).flip(0)[:3])
    close(low.sum(lambda v: v), reference.trace())
    close(estimate.low_rank(x, 6, floor=0.0).matrix(), reference)
