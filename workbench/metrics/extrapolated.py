"""The Frechet distance at infinitely many samples, by a line through its values at several finite numbers of them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.metrics.frechet import FeatureStatistics, frechet_distance


class Extrapolation(NamedTuple):
    """Intercept and slope of ``distance = value + slope / n``, and the points of the line."""

    value: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def extrapolated_frechet(
    features: Float[Tensor, "n f"], reference: FeatureStatistics, sizes: Sequence[int] | None = None, *, generator: torch.Generator
) -> Extrapolation:
    """Fit F_n = F + c / n to random subsets and return F, the value at 1/n = 0.

    ``sizes`` defaults to 10 numbers from a fifth of all samples to all, equally spaced in 1/n.  Subsets overlap, so the residuals say
    little about the error of F; repeat with other samples to learn it.  Paper: ``chong2020effectively``.

    Raises:
        ValueError: for fewer than two different sizes, or sizes below 2 or beyond the number of samples.
    """
    n = len(features)
    if sizes is None:
        sizes = sorted({round(1 / u) for u in torch.linspace(5 / n, 1 / n, 10).tolist()})
    if len(set(sizes)) < 2 or min(sizes) < 2 or max(sizes) > n:
        raise ValueError(f"sizes={list(sizes)}: needs two different numbers at least, from 2 to {n}, the number of samples")
    distances = []
    for size in sizes:
        part = FeatureStatistics.of(features[torch.randperm(n, generator=generator)[:size]])
        distances.append(frechet_distance(part.mean, part.covariance, reference.mean, reference.covariance))
    inverse = torch.tensor([1 / size for size in sizes], dtype=torch.float64)
    rows = torch.stack([torch.ones_like(inverse), inverse], dim=1)
    value, slope = torch.linalg.lstsq(rows, torch.tensor(distances, dtype=torch.float64)[:, None]).solution.flatten().tolist()
    if not math.isfinite(value):
        raise ValueError("the line through these distances is not finite; use other sizes")
    return Extrapolation(value, slope, tuple(sizes), tuple(distances))
