"""Leverage scores: which rows of a long sum to keep, and how often, so that the sum stays right on average.

A weight's gradient is a sum over rows,  sum_i G_i^T X_i.  Keep row i with probability p_i, and divide what is kept by p_i: the mean is exact,
and the variance (sum of squared errors over all entries) is

    sum_i (1 - p_i) / p_i  c_i^2,     c_i = |G_i| |X_i| .

With a budget for sum p_i it is least for p proportional to the scores c, where no p exceeds 1: the water filling below (``xi2023int4``).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def scores(g: Float[Tensor, "rows out"], x: Float[Tensor, "other inputs"] | None = None) -> Float[Tensor, "rows"]:
    """c_i = |g_i| |x_i|, or |g_i| alone where each row stays a row of the result.

    Raises:
        ValueError: for another number of rows.
    """
    if x is None:
        return g.norm(dim=1)
    if len(g) != len(x):
        raise ValueError(f"got {len(g)} rows of gradients and {len(x)} of inputs; each row needs both")
    return g.norm(dim=1) * x.norm(dim=1)


def water_filling(score: Float[Tensor, "rows"], budget: float) -> Float[Tensor, "rows"]:
    """p_i = min(1, k c_i), with k such that they add up to ``budget``; where there are fewer rows with c_i > 0, those get 1.

    Rows are filled like vessels: those that would overflow are full, and the others share the rest.  Returns float64; p is 0 where c is.

    Args:
        score: c_i >= 0.
        budget: how many rows to keep on average.

    Raises:
        ValueError: for negative or non-finite scores, or a budget that is not positive.
    """
    if not bool(score.isfinite().all()) or bool((score < 0).any()):
        raise ValueError("scores must be finite and not negative; norms are")
    if not budget > 0:
        raise ValueError(f"budget is {budget}; keep at least a part of a row on average")
    c, order = score.double().sort(descending=True)
    positive = int((c > 0).sum())
    if positive <= budget:
        return (score > 0).double()
    c = c / c[0]
    rest = c.flip(0).cumsum(0).flip(0)  # what is left to share when the rows before are full
    full = torch.arange(len(c), dtype=torch.float64)
    rate = (budget - full) / rest
    first = int(((rate * c <= 1) & (full < budget)).nonzero()[0])
    p = torch.where(full < first, 1.0, (rate[first] * c).clamp(max=1.0))
    return torch.empty_like(p).scatter_(0, order, p)


def variance(score: Float[Tensor, "rows"], p: Float[Tensor, "rows"]) -> float:
    """sum (1 - p_i) / p_i c_i^2 over the rows that can be kept.

    Raises:
        ValueError: for a row that matters and is never kept: the sum would be wrong on average.
    """
    if bool(((p <= 0) & (score > 0)).any()):
        raise ValueError("a row with a score above 0 has probability 0; the estimate would be biased")
    live = p > 0
    return float(((1 - p[live]) / p[live] * score[live].double() ** 2).sum())


def draw(p: Float[Tensor, "rows"], generator: torch.Generator) -> Bool[Tensor, "rows"]:
    """A coin for each row: whether it is kept.  Coins are independent, so the number of kept rows varies."""
    return torch.rand(p.shape, generator=generator, dtype=torch.float64) < p


def sampled_product(
    g: Float[Tensor, "rows out"], x: Float[Tensor, "rows inputs"], p: Float[Tensor, "rows"], generator: torch.Generator
) -> Float[Tensor, "out inputs"]:
    """sum over the kept rows of g_i^T x_i / p_i: the mean is g^T x, and the cost is that of the kept rows."""
    kept = draw(p, generator).nonzero().flatten()
    return (g[kept] / p[kept, None].to(g.dtype)).T @ x[kept]
