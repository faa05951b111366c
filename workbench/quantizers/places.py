"""Between which entries of a table a number lies, in two reads of memory and one comparison.

A float32 begins with its sign, its exponent and the first bits of its fraction.  These bits name a *drawer*, a short
interval of numbers. For every drawer it is written down how many thresholds lie at or below it, and the one threshold
inside it, where there is one.  So

    count(u) = below[drawer(u)] + [u >= inside[drawer(u)]]

is exact, for as long as no drawer holds two thresholds; drawers are made as large as that allows.  Searching by halves
needs a read that depends on the one before it for every bit of the answer, and is ten times slower.
"""

from functools import lru_cache

import torch
from jaxtyping import Float, Integer
from torch import Tensor

_SMALLEST = 15  # bits that a drawer leaves out; with fewer the tables outgrow the caches they are for


def count(u: Float[Tensor, "*shape"], thresholds: tuple[float, ...]) -> Integer[Tensor, "*shape"]:
    """How many ``thresholds`` (increasing, in the precision of ``u``) lie at or below each number; for NaN any answer."""
    found = _drawers(thresholds) if u.dtype == torch.float32 else None
    if found is None:
        return torch.searchsorted(torch.tensor(thresholds, dtype=u.dtype, device=u.device), u.contiguous(), right=True)
    below, inside, left_out = found
    drawer = (u.reshape(-1).view(torch.int32) >> left_out).add_(len(below) // 2)
    past = u.reshape(-1) >= inside.to(u.device).index_select(0, drawer)
    return below.to(u.device).index_select(0, drawer).add_(past).view(u.shape)


@lru_cache(maxsize=32)
def _drawers(thresholds: tuple[float, ...]) -> tuple[Tensor, Tensor, int] | None:
    """(below, inside, bits left out), or None where drawers cannot tell: infinite thresholds, or two too close."""
    edges = torch.tensor(thresholds, dtype=torch.float32)
    if not bool(edges.isfinite().all()):
        return None  # infinity shares its drawer with NaN
    for left_out in range(23, _SMALLEST - 1, -1):
        half = 1 << 31 - left_out
        first = torch.arange(-half, half, dtype=torch.int32) << left_out
        last = first | (1 << left_out) - 1
        low, high = (torch.where(first >= 0, a, b).view(torch.float32) for a, b in ((first, last), (last, first)))
        real = low.isfinite() & high.isfinite()
        at_low, at_high = (torch.searchsorted(edges, end.nan_to_num(nan=-torch.inf), right=True) for end in (low, high))
        if bool((at_high - at_low <= 1)[real].all()):
            inside = torch.where(at_high > at_low, edges[at_low.clamp(max=len(edges) - 1)], torch.nan)
            return at_low.to(torch.uint8 if len(edges) < 256 else torch.int32), inside, left_out
    return None
