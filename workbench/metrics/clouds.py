"""How far apart two clouds are, how fast an error falls, and how much one prediction explains of another."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Estimate(NamedTuple):
    """A value with its standard error."""

    value: float
    standard_error: float


class Order(NamedTuple):
    """Slope p of ``error = C * steps**-p``, with the standard error of the least-squares fit (NaN from two points)."""

    order: float
    standard_error: float


class MomentError(NamedTuple):
    """Euclidean distance of the means, Frobenius distance of the covariances."""

    mean: float
    covariance: float


def energy_distance(
    x: Float[Tensor, "n *shape"], y: Float[Tensor, "m *shape"], *, standard_error: bool = False, chunk: int = 1024
) -> float | Estimate:
    r"""Squared energy distance :math:`2E\|X-Y\| - E\|X-X'\| - E\|Y-Y'\|`, unbiased (so it may be slightly negative).

    It is zero exactly when the two laws are equal. Pairs of a point with itself are left out. Memory is
    ``chunk * max(n, m)`` distances, time O((n + m)^2 d), arithmetic float64.

    With ``standard_error=True`` an ``Estimate(value, standard_error)``: the standard error of a two-sample U-statistic
    from the spread of its first projections. Between equal laws those vanish and the estimate is an upper bound in
    order 1/n.

    Paper: ``szekely2013energy``.

    Raises:
        ValueError: for clouds of unlike sample shapes, fewer than two points in one, values that are not finite, or a chunk below 1.
    """
    x, y = _clouds(x, y, least=2)
    if not isinstance(chunk, int) or chunk < 1:
        raise ValueError(f"chunk: got {chunk!r}; needs a positive whole number of rows")
    n, m = len(x), len(y)
    x_to_y, y_to_x = _row_sums(x, y, chunk) / m, _row_sums(y, x, chunk) / n
    x_to_x, y_to_y = _row_sums(x, x, chunk) / (n - 1), _row_sums(y, y, chunk) / (m - 1)
    value = float(2 * x_to_y.mean() - x_to_x.mean() - y_to_y.mean())
    if not standard_error:
        return value
    variance = 4 * ((x_to_y - x_to_x).var() / n + (y_to_x - y_to_y).var() / m)
    return Estimate(value, math.sqrt(float(variance)))


def sliced_wasserstein(
    x: Float[Tensor, "n *shape"], y: Float[Tensor, "m *shape"], projections: int = 128, *, generator: torch.Generator
) -> float:
    r"""Sliced 2-Wasserstein distance :math:`(E_\theta W_2^2(\theta\cdot X, \theta\cdot Y))^{1/2}` over directions.

    In one dimension the optimal coupling sorts, so each direction costs two sorts; clouds of different size are
    compared through their quantile functions, exactly. Directions come from `generator`. Paper: ``bonneel2015sliced``.

    Raises:
        ValueError: for clouds of unlike sample shapes, an empty one, values that are not finite, or fewer than one projection.
    """
    x, y = _clouds(x, y, least=1)
    if not isinstance(projections, int) or projections < 1:
        raise ValueError(f"projections: got {projections!r}; needs a positive whole number")
    directions = torch.randn(x.shape[1], projections, dtype=torch.float64, generator=generator)
    directions = directions / directions.norm(dim=0)
    a, b = (x @ directions).sort(dim=0).values, (y @ directions).sort(dim=0).values
    n, m = len(a), len(b)
    if n == m:
        return math.sqrt(float((a - b).square().mean()))
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    widths = ends.diff(prepend=ends.new_zeros(1)).to(torch.float64) / (n * m)
    squared = (a[(ends - 1) // m] - b[(ends - 1) // n]).square()
    return math.sqrt(float((widths[:, None] * squared).sum(0).mean()))


def fitted_order(steps: object, errors: object) -> Order:
    """Order of convergence: minus the least-squares slope of log(error) against log(steps), with its standard error.

    `steps` and `errors` are one-dimensional and positive, at least two of each. An error of 0 or NaN raises ValueError:
    the first means that rounding was reached or the test is exact, the second that a run diverged; neither has a slope.

    Raises:
        ValueError: for fewer than two points, unequal lengths, numbers that are not finite and positive, or steps that are all equal.
    """
    n, error = (torch.as_tensor(v, dtype=torch.float64).detach().cpu() for v in (steps, errors))
    if n.ndim != 1 or n.shape != error.shape or len(n) < 2:
        raise ValueError(f"got shapes {tuple(n.shape)} and {tuple(error.shape)}; needs as many steps as errors, two at least")
    for name, values in (("steps", n), ("errors", error)):
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{name} {values.tolist()} hold NaN or infinity: a run diverged; use more steps or leave it out")
        if not bool((values > 0).all()):
            raise ValueError(f"{name} {values.tolist()} are not all positive: zero has no logarithm; leave out exact results")
    u, v = n.log(), error.log()
    spread = (u - u.mean()).square().sum()
    if float(spread) == 0:
        raise ValueError(f"steps are all {float(n[0]):g}; a slope needs two different numbers of steps")
    slope = ((u - u.mean()) * (v - v.mean())).sum() / spread
    if len(n) == 2:
        return Order(-float(slope), math.nan)
    residual = v - v.mean() - slope * (u - u.mean())
    return Order(-float(slope), math.sqrt(float(residual.square().sum() / (len(n) - 2) / spread)))


def explained_variance(reference: Float[Tensor, "n *shape"], approximation: Float[Tensor, "n *shape"]) -> float:
    r""":math:`1 - E\|a - b\|^2 / E\|a\|^2` with a the reference: 1 when equal, 0 for the answer 0, unbounded below.

    The mean of the reference is *not* subtracted, so a large common part makes the number look good: compare 1 minus
    it, on a logarithmic axis, with that of a simple baseline. Paper: ``wang2024gaussian``.

    Raises:
        ValueError: for unequal or empty shapes, values that are not finite, or a reference that is zero everywhere.
    """
    a, b = _same(reference, approximation)
    scale = float(a.square().mean())
    if scale == 0:
        raise ValueError("the reference is zero everywhere, so there is no variance to explain; use another reference")
    return 1.0 - float((a - b).square().mean()) / scale


def mean_and_covariance_error(
    x: Float[Tensor, "n *shape"], mean: Float[Tensor, "*shape"], covariance: Float[Tensor, "d d"]
) -> MomentError:
    """How far a cloud's mean and (unbiased) covariance are from given ones; samples are flattened to d numbers.

    Raises:
        ValueError: for fewer than two samples, samples that are not finite, or a mean or covariance of another size.
    """
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"x: got shape {tuple(x.shape)}; needs (n, *shape) with n >= 2")
    flat, center = x.detach().cpu().double().flatten(1), mean.detach().cpu().double().flatten()
    covariance = covariance.detach().cpu().double()
    d = flat.shape[1]
    if center.numel() != d or covariance.shape != (d, d):
        raise ValueError(
            f"mean {tuple(mean.shape)} and covariance {tuple(covariance.shape)} do not fit samples of size {d}; needs "
            f"({d},) and ({d}, {d})"
        )
    _finite(flat, "x")
    return MomentError(float((flat.mean(0) - center).norm()), float((flat.T.cov().reshape(d, d) - covariance).norm()))


def _clouds(x: Tensor, y: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
    if x.ndim < 2 or y.ndim < 2 or x.shape[1:] != y.shape[1:] or min(len(x), len(y)) < least:
        raise ValueError(
            f"got shapes {tuple(x.shape)} and {tuple(y.shape)}; needs (n, *shape) and (m, *shape), {least} points each at least"
        )
    x, y = (z.detach().cpu().to(torch.float64).flatten(1) for z in (x, y))
    _finite(x, "x")
    _finite(y, "y")
    return x, y


def _same(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.shape != b.shape or not a.numel():
        raise ValueError(f"got shapes {tuple(a.shape)} and {tuple(b.shape)}; reference and approximation need the same, not empty")
    a, b = (z.detach().cpu().to(torch.float64) for z in (a, b))
    _finite(a, "reference")
    _finite(b, "approximation")
    return a, b


def _finite(x: Tensor, name: str) -> None:
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f"{name}: {bad} of {x.numel()} numbers are NaN or infinite; look at the run that made them")


def _row_sums(x: Tensor, y: Tensor, chunk: int) -> Tensor:
    """For each row of x the sum of its distances to all rows of y; equal rows are exactly 0 apart."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cat([torch.cdist(part, y, compute_mode=exact).sum(1) for part in x.split(chunk)])
