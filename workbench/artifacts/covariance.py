"""Mean and covariance of uint8 images without a rounding error, their eigenvectors, and what storing fewer costs.

Pixels are integers, so sums of pixels and of products of pixels are integers too. In float64 they are exact below 2^53:
the result does not depend on the order of summation, the chunks or the number of threads.
"""

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""The noise levels at which artifacts and training runs state their denoising errors."""


def exact_moments(images: UInt8[Tensor, "n d"], chunk: int = 1000) -> tuple[Float64[Tensor, " d"], Float64[Tensor, "d d"]]:
    """Return mean and covariance (divided by n) of ``images / 127.5 - 1``, rounded only once, at the end.

    With integer sums S1 = sum x and S2 = sum x x^T, the covariance is ``(n S2 - S1 S1^T) / (127.5 n)^2``. Raises
    ``ValueError`` for no images, or so many (370,000) that the integers would no longer be exact.
    """
    n, d = images.shape
    if n == 0 or (255 * n) ** 2 >= 2**53:
        raise ValueError(f"got {n} images; exact sums need between 1 and {int(2**26.5) // 255}")
    first = torch.zeros(d, dtype=torch.float64)
    second = torch.zeros(d, d, dtype=torch.float64)
    for rows in images.split(chunk):
        pixels = rows.double()
        first += pixels.sum(dim=0)
        second.addmm_(pixels.T, pixels)
    return first / (127.5 * n) - 1, (n * second - torch.outer(first, first)) / (127.5 * n) ** 2


def eigenpairs(covariance: Float64[Tensor, "d d"]) -> tuple[Float64[Tensor, " d"], Float64[Tensor, "d d"]]:
    """Return eigenvalues, decreasing and not negative, and eigenvectors in columns, with a sign that does not depend on luck.

    In each column the first entry whose magnitude is the largest (to one part in a million) is positive.
    """
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    size = vectors.abs()
    pivot = (size >= (1 - 1e-6) * size.amax(dim=0)).to(torch.uint8).argmax(dim=0)
    return values, vectors * vectors.gather(0, pivot[None]).sign()


def denoising_error(spectrum: Float64[Tensor, " d"], sigma: float) -> float:
    """Return the Gaussian law's least mean squared error per dimension, ``mean lambda sigma^2 / (lambda + sigma^2)``."""
    return (spectrum * sigma**2 / (spectrum + sigma**2)).mean().item()


def approximation_errors(spectrum: Float64[Tensor, " d"], overlap: Float64[Tensor, "d rank"], sigma: float) -> dict[str, float]:
    """Return what few, rounded eigenvectors cost at noise level ``sigma``: exact expectations, nothing is sampled.

    ``overlap`` is V^T U: the rounded eigenvectors U in the basis of the true ones. With W = S (S + sigma^2)^-1 the matrix of
    the exact denoiser and W' the approximate one (U, and one floor for the rest), the extra denoising error is
    ``tr (W' - W)(S + sigma^2)(W' - W)^T``. It is given relative to the least error (``excess``), split off for rounding
    alone (W' against the same number of exact eigenvectors: ``rounding``), and as a share of the mean squared score
    (``score``, ``score_rounding``).
    """
    d, rank = overlap.shape
    noisy = spectrum + sigma**2
    exact = spectrum / noisy
    floor = spectrum[rank:].mean().item() if rank < d else 0.0
    rest = floor / (floor + sigma**2)
    truncated = torch.cat([exact[:rank], torch.full((d - rank,), rest, dtype=torch.float64)])
    approximate = (overlap * (exact[:rank] - rest)) @ overlap.T
    approximate.diagonal().add_(rest)
    least = (exact * sigma**2).sum()
    score = sigma**4 * (1 / noisy).sum()
    errors = {}
    for suffix, reference in (("", exact), ("_rounding", truncated)):
        difference = approximate - torch.diag(reference)
        error = (difference.square().sum(dim=0) * noisy).sum()
        errors["excess" + suffix] = (error / least).item()
        errors["score" + suffix] = (error / score).item()
    return errors
