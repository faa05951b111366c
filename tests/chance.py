"""Is a mean of draws what it should be?  Judged in standard errors that come from a formula, never by a tolerance."""

import math

import torch
from torch import Tensor


def z_scores(total: Tensor, repeats: int, mean: Tensor, variance: Tensor) -> Tensor:
    """Of a mean, total / repeats, where the variance of one draw is not 0; where it is, the mean must be right."""
    moving = variance > 0
    error = total.double() / repeats - mean.double()
    assert bool((error[~moving].abs() <= 1e-6 * (1 + mean[~moving].abs())).all())
    return error[moving] / (variance[moving].double() / repeats).sqrt()


def assert_standard(z: Tensor, independent: int | None = None) -> None:
    """No score beyond 5, and a mean square of 1 within 5 of its own deviations; ``independent``: how many coins decide them."""
    spread = 5 * math.sqrt(2 / (independent or len(z)))
    assert len(z) and bool((z.abs() < 5).all()), float(z.abs().max())
    assert 1 - spread < float(z.square().mean()) < 1 + spread, float(z.square().mean())


def total_of(draw, repeats: int) -> Tensor:
    """The sum of that many draws, in float64."""
    return sum((draw().double() for _ in range(repeats)), torch.zeros((), dtype=torch.float64))
