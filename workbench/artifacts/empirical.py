"""The exact denoiser of a finite set of images, in one pass over them and without an n x m table of weights."""

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor


def posterior_mean(
    noisy: Float64[Tensor, "m d"],
    images: UInt8[Tensor, "n d"],
    center: Float64[Tensor, " d"],
    sigma: float,
    chunk: int = 5000,
) -> tuple[Float64[Tensor, "m d"], Float64[Tensor, " m"]]:
    """Return ``E[x_0 | x_0 + sigma eps = noisy]`` for x_0 uniform on ``images / 127.5 - 1``, and ``1 / sum_i w_i^2``.

    The weights are ``w_i = softmax_i(-|x - x_i|^2 / (2 sigma^2))``. Images are read ``chunk`` at a time with a running maximum, so
    that no exponential overflows and all sums are rescaled when the maximum grows. ``center`` (any point near the
    data) is subtracted from everything, which changes nothing but the rounding error.
    """
    x = noisy - center
    m = len(x)
    best = torch.full((m, 1), -torch.inf, dtype=torch.float64)
    total = torch.zeros(m, 1, dtype=torch.float64)
    squares = torch.zeros(m, 1, dtype=torch.float64)
    weighted = torch.zeros_like(x)
    for rows in images.split(chunk):
        points = rows.double() / 127.5 - 1 - center
        logits = (x @ points.T - points.square().sum(dim=1) / 2) / sigma**2
        highest = torch.maximum(best, logits.amax(dim=1, keepdim=True))
        rescale = (best - highest).exp()
        weights = (logits - highest).exp()
        total = total * rescale + weights.sum(dim=1, keepdim=True)
        squares = squares * rescale**2 + weights.square().sum(dim=1, keepdim=True)
        weighted = weighted * rescale + weights @ points
        best = highest
    return center + weighted / total, (total.square() / squares)[:, 0]
