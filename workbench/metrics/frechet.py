r"""The Frechet distance of two sets of features: exact for given moments, and what a finite sample adds to it.

With sample moments of n features against fixed ones, to first order in 1/n,

    E F_n = F + c / n,   c = tr C + 1/2 sum_ij Var(y_i y_j) / (s_i s_j (s_i + s_j)),

where y are the centered features in the coordinates in which A = C_2^(1/2) C C_2^(1/2) is diagonal, with eigenvalues s_i^2.  The
first term is the error of the mean; the second is the curvature of  -2 tr A^(1/2),  times the covariance of a sample covariance.
For Gaussian features Var(y_i y_j) = s_i^2 s_j^2 (1 + delta_ij).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.metrics.clouds import Estimate


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and covariance of ``count`` feature vectors; the covariance is unbiased (divided by count - 1)."""

    mean: Float64[Tensor, " f"]
    covariance: Float64[Tensor, "f f"]
    count: int

    @classmethod
    def of(cls, features: Float[Tensor, "n f"] | Iterable[Float[Tensor, "_ f"]]) -> "FeatureStatistics":
        """Of one tensor of features, or of batches of them that need not fit in memory together.

        Raises:
            ValueError: for fewer than two features, batches of unlike width, or numbers that are not finite.
        """
        count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
        for batch in [features] if isinstance(features, Tensor) else features:
            x = _checked(batch)
            if count and x.shape[1] != len(mean):
                raise ValueError(f"got batches of {len(mean)} and of {x.shape[1]} features; all need the same")
            total, center = count + len(x), x.mean(0)
            off = center - mean
            scatter = scatter + (x - center).T @ (x - center) + torch.outer(off, off) * (count * len(x) / total)
            mean, count = mean + off * (len(x) / total), total
        if count < 2:
            raise ValueError(f"got {count} features; a covariance needs at least two")
        return cls(mean, scatter / (count - 1), count)


class FrechetEstimate(NamedTuple):
    """A Frechet distance with its bias taken off, its standard error, and the two parts: ``value = plain - bias``."""

    value: float
    standard_error: float
    plain: float
    bias: float


def frechet_distance(
    mean1: Float[Tensor, " f"], covariance1: Float[Tensor, "f f"], mean2: Float[Tensor, " f"], covariance2: Float[Tensor, "f f"]
) -> float:
    r"""|m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_2^{1/2} C_1 C_2^{1/2})^{1/2}): the squared Frechet (2-Wasserstein) distance of Gaussians.

    The trace of the root is the sum of the singular values of C_1^{1/2} C_2^{1/2}, with symmetric roots; so singular covariances
    are no trouble, and nothing complex appears.  With Inception features it is known as FID (``heusel2017ttur``), which is squared
    as well; with any other features it must not be called so.  Papers: ``dowson1982frechet``, ``heusel2017ttur``.

    Raises:
        ValueError: for shapes that do not fit, numbers that are not finite, or a covariance that is not symmetric and positive.
    """
    m1, m2 = (_moment(m, 1, name) for m, name in ((mean1, "mean1"), (mean2, "mean2")))
    c1, c2 = (_moment(c, 2, name) for c, name in ((covariance1, "covariance1"), (covariance2, "covariance2")))
    f = len(m1)
    if len(m2) != f or c1.shape != (f, f) or c2.shape != (f, f):
        raise ValueError(
            f"got means {tuple(m1.shape)}, {tuple(m2.shape)} and covariances {tuple(c1.shape)}, {tuple(c2.shape)}; all must fit"
        )
    overlap = torch.linalg.svdvals(_root(c1) @ _root(c2)).sum()
    return float((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * overlap)


def frechet_bias(covariance: Float[Tensor, "f f"], reference: Float[Tensor, "f f"]) -> float:
    """c of  E F_n = F + c / n  for Gaussian features of this covariance against a fixed reference covariance.

    c = tr C + 1/2 sum_ij s_i s_j / (s_i + s_j) + 1/4 sum_i s_i.  Equal covariances: s_i are their eigenvalues.

    Raises:
        ValueError: for covariances of unlike shape, or not symmetric and positive.
    """
    c, c2 = _moment(covariance, 2, "covariance"), _moment(reference, 2, "reference")
    if c.shape != c2.shape:
        raise ValueError(f"got covariances {tuple(c.shape)} and {tuple(c2.shape)}; both need the same shape")
    s = torch.linalg.svdvals(_root(c) @ _root(c2))
    s = s[s > 0]
    return float(c.trace() + 0.5 * (s[:, None] * s / (s[:, None] + s)).sum() + 0.25 * s.sum())


def frechet_estimate(features: Float[Tensor, "n f"], reference: FeatureStatistics) -> FrechetEstimate:
    """The Frechet distance of the law behind ``features`` from the reference: bias of order 1/n removed, with a standard error.

    The bias is the formula at the head of this file with Var(y_i y_j) taken from the sample, so features need not be Gaussian.  The
    standard error is the spread of the distance's first derivative with respect to the weight of one sample (the
    infinitesimal jackknife).  Between equal laws that derivative vanishes; there the standard error is an upper bound of order 1/n.
    The reference counts as given: its own sampling error is not looked at.  What is left over of the bias is of order (f/n)^2.
    Extrapolation (:func:`extrapolated_frechet`) needs no formula, and more noise.

    Raises:
        ValueError: for no more samples than features (the correction needs an invertible covariance), or sizes that do not fit.
    """
    plain, bias, slope = _expanded(features, reference)
    return FrechetEstimate(plain - bias, math.sqrt(float(slope.var()) / len(slope)), plain, bias)


def frechet_difference(a: Float[Tensor, "n f"], b: Float[Tensor, "m f"], reference: FeatureStatistics) -> Estimate:
    """How much farther ``a`` is from the reference than ``b``, with the standard error of a pair: a_i and b_i from the same noise i.

    The difference of two :func:`frechet_estimate`; its standard error is the spread of the difference of the two derivatives, so
    that what the noise does to both alike cancels.

    Raises:
        ValueError: for another number of samples in ``a`` than in ``b``, and as :func:`frechet_estimate`.
    """
    if len(a) != len(b):
        raise ValueError(f"got {len(a)} and {len(b)} samples; pairs need as many of each, made from the same noise")
    first, second = _expanded(a, reference), _expanded(b, reference)
    value = first[0] - first[1] - (second[0] - second[1])
    return Estimate(value, math.sqrt(float((first[2] - second[2]).var()) / len(a)))


def _expanded(features: Tensor, reference: FeatureStatistics) -> tuple[float, float, Tensor]:
    """The plain distance, its bias, and its derivative with respect to the weight of each sample."""
    x = _checked(features)
    n, f = x.shape
    if len(reference.mean) != f:
        raise ValueError(f"got {f} features; the reference has {len(reference.mean)}")
    if n <= f:
        raise ValueError(
            f"got {n} samples of {f} features; correcting the bias needs more samples than features, better 5 times more"
        )
    own = FeatureStatistics.of(x)
    plain = frechet_distance(own.mean, own.covariance, reference.mean, reference.covariance)
    centered, root = x - own.mean, _root(reference.covariance)
    squared, basis = torch.linalg.eigh(root @ own.covariance @ root)
    kept = squared > 1e-12 * squared[-1]
    s, basis = squared[kept].sqrt(), basis[:, kept]
    y = centered @ (root @ basis)
    weight = 1 / (s[:, None] * s * (s[:, None] + s))
    second = ((y.square() @ weight) * y.square()).sum(1).mean() - (weight.diagonal() * squared[kept].square()).sum()
    bias = float(own.covariance.trace() + 0.5 * second) / n
    slope = 2 * centered @ (own.mean - reference.mean) + centered.square().sum(1) - (y.square() / s).sum(1)
    return plain, bias, slope


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root.  Rounding may leave eigenvalues just below 0; anything clearly negative is refused."""
    values, vectors = torch.linalg.eigh(covariance)
    if float(values[0]) < -1e-6 * max(float(values[-1]), 1e-300):
        raise ValueError(f"a covariance has the eigenvalue {float(values[0]):.3g}; a covariance has none below 0")
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def _moment(value: Tensor, dims: int, name: str) -> Tensor:
    value = torch.as_tensor(value).detach().cpu().double()
    if value.ndim != dims or not value.numel() or not bool(value.isfinite().all()):
        raise ValueError(f"{name} has shape {tuple(value.shape)}; needs {dims} dimension(s) and finite numbers")
    if dims == 2 and (value.shape[0] != value.shape[1] or not torch.allclose(value, value.T, atol=1e-6 * float(value.abs().max()))):
        raise ValueError(f"{name} is not symmetric")
    return value


def _checked(features: Tensor) -> Tensor:
    if features.ndim != 2 or not features.numel():
        raise ValueError(f"features have shape {tuple(features.shape)}; needs (samples, features)")
    x = features.detach().cpu().double()
    if not bool(x.isfinite().all()):
        raise ValueError("features hold NaN or infinity; look at the pictures that they were taken from")
    return x
