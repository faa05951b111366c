"""Means and covariances from data, streamed in float64 so that 50,000 float32 images need no second copy."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.gaussian.covariance import Covariance, Dense, Diagonal, LowRank

_ROWS = 4096


def mean_of(x0: Float[Tensor, "samples *shape"]) -> Float[Tensor, "*shape"]:
    """The sample mean, float64.

    Raises:
        TypeError: for data that are no floating-point tensor.
        ValueError: for fewer than two samples, no sample axis, or entries that are not finite.
    """
    if not isinstance(x0, Tensor) or not x0.is_floating_point():
        got = f"dtype {x0.dtype}" if isinstance(x0, Tensor) else type(x0).__name__
        raise TypeError(f"fitting needs a floating-point tensor (samples, *shape), got {got}; scale images to [-1, 1]")
    if x0.ndim < 2 or len(x0) < 2:
        raise ValueError(f"fitting needs at least two samples, (samples, *shape); got shape {tuple(x0.shape)}")
    total = sum(rows.to("cpu", torch.float64).sum(0) for rows in x0.detach().split(_ROWS))
    if not bool(total.isfinite().all()):
        raise ValueError("fitting needs finite data, got some that are infinite or NaN")
    return total / len(x0)


def _centered(x0: Tensor, mean: Tensor):
    for rows in x0.detach().split(_ROWS):
        yield (rows.to("cpu", torch.float64) - mean).flatten(1)


def dense(x0: Float[Tensor, "samples *shape"]) -> Dense:
    """The maximum-likelihood covariance, (1 / n) sum (x - mean)(x - mean)^T."""
    return Dense(_matrix(x0, mean_of(x0)))


def diagonal(x0: Float[Tensor, "samples *shape"]) -> Diagonal:
    """The maximum-likelihood variances."""
    mean = mean_of(x0)
    return Diagonal(sum(rows.square().sum(0) for rows in _centered(x0, mean)) / len(x0))


def low_rank(x0: Float[Tensor, "samples *shape"], rank: int, floor: float | int | None = None) -> LowRank:
    """The ``rank`` leading eigenvectors; the rest shares one variance, ``floor``.

    floor = None takes the average of the eigenvalues left out: the maximum-likelihood fit of probabilistic principal component
    analysis, which keeps the trace.  Paper: ``tipping1999ppca``.

    Raises:
        ValueError: unless 1 <= rank <= min(samples, d).
    """
    mean = mean_of(x0)
    samples, dim = len(x0), mean.numel()
    if not 1 <= rank <= min(samples, dim):
        raise ValueError(f"rank must be between 1 and {min(samples, dim)} for {samples} samples in {dim} dimensions, got {rank}")
    if samples < dim:
        rows = torch.cat(list(_centered(x0, mean)))
        _, singular, vectors = torch.linalg.svd(rows, full_matrices=False)
        values, vectors = singular.square() / samples, vectors.T
    else:
        values, vectors = torch.linalg.eigh(_matrix(x0, mean))
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    if floor is None:
        floor = float(values[rank:].sum()) / (dim - rank) if rank < dim else 0.0
    return LowRank(vectors[:, :rank].contiguous(), values[:rank], floor)


def _matrix(x0: Tensor, mean: Tensor) -> Tensor:
    return sum(rows.T @ rows for rows in _centered(x0, mean)) / len(x0)


def fitted(x0: Tensor, rank: int | None, floor: float | None) -> Covariance:
    """Dense without a rank (eigenvalues raised to ``floor`` if given), low rank with one."""
    if floor is not None and not 0 <= floor < float("inf"):
        raise ValueError(f"floor must be finite and >= 0, got {floor}; it is a variance")
    if rank is not None:
        return low_rank(x0, rank, floor)
    covariance = dense(x0)
    return covariance if floor is None else covariance.map(lambda values: values.clamp(min=floor))
