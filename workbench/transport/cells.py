"""The map of semi-discrete optimal transport: space is cut into cells, and each cell goes to one point.

With points y_1, ..., y_n and heights h_1, ..., h_n, Brenier's potential and its gradient are

    u(x) = max_i <x, y_i> + h_i,        grad u(x) = y_i on the cell W_i where i attains the maximum.

For the cost |x - y|^2 the map grad u is optimal between the noise law and the masses that its cells happen to have, whatever the heights.
Raising h_i enlarges the cell W_i.

Book: ``solvers/optimal_transport_shortcut``.  Papers: ``gu2013variational``, ``li2023dpmot``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_CHUNK = 2**21  # entries of a table of samples against points


@dataclass(frozen=True, eq=False)
class SemiDiscrete:
    """A map onto n points.  It keeps the points and n heights, O(n d) numbers, and reads all of them for every sample.

    Args:
        points: (n, \\*shape), floating-point, at least two.
        heights: (n,).
        shares: (n,) positive masses that the cells should have, summing to 1; equal ones if None.

    Raises:
        ValueError: for fewer than two points, other shapes, numbers that are not finite, shares that are not positive or do not sum to 1.
    """

    points: Float[Tensor, "n *shape"]
    heights: Float[Tensor, "heights"]
    shares: Float[Tensor, "shares"] | None = None
    paper = "li2023dpmot"

    def __post_init__(self) -> None:
        if self.points.ndim < 2 or len(self.points) < 2:
            raise ValueError(f"got points of shape {tuple(self.points.shape)}; at least two points (n, *shape) are needed")
        if self.heights.shape != (len(self.points),):
            raise ValueError(f"got {tuple(self.heights.shape)} heights for {len(self.points)} points; each point has one")
        if not bool(self.points.isfinite().all() and self.heights.isfinite().all()):
            raise ValueError("some points or heights are not finite; leave such points out before fitting")
        if self.shares is None:
            object.__setattr__(self, "shares", torch.full((len(self.points),), 1 / len(self.points), dtype=torch.float64))
        if self.shares.shape != self.heights.shape or not bool((self.shares > 0).all()) or abs(float(self.shares.sum()) - 1) > 1e-9:
            raise ValueError(f"shares are {len(self.points)} positive numbers that sum to 1, got {self.shares}")

    def __len__(self) -> int:
        return len(self.points)

    def _tables(self, x: Tensor) -> Iterator[Tensor]:
        """<x, y_i> + h_i, some samples at a time."""
        if x.shape[1:] != self.points.shape[1:]:
            raise ValueError(f"got samples of shape {tuple(x.shape[1:])} for points of shape {tuple(self.points.shape[1:])}")
        flat = self.points.flatten(1).to(torch.float64)
        for part in x.flatten(1).to(flat).split(max(1, _CHUNK // len(self))):
            yield torch.addmm(self.heights.to(flat), part, flat.T)

    def potential(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch"]:
        """u(x), float64."""
        return torch.cat([table.amax(1) for table in self._tables(x)])

    def cell(self, x: Float[Tensor, "batch *shape"]) -> Int64[Tensor, "batch"]:
        """In whose cell each sample lies."""
        return torch.cat([table.argmax(1) for table in self._tables(x)])

    def masses(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "n"]:
        """The share of the samples in each cell: a Monte-Carlo measure, of standard error sqrt(m (1 - m) / batch) for a true mass m."""
        return torch.bincount(self.cell(x), minlength=len(self)).double() / len(x)

    def objective(self, x: Float[Tensor, "batch *shape"]) -> float:
        """The mean of u minus sum_i shares_i h_i: convex in the heights, with gradient masses - shares.

        No coupling of these samples with masses ``shares`` at the points has a larger mean of <x, y>; at the minimum one has as much.
        """
        return float(self.potential(x).mean() - (self.shares * self.heights).sum())

    def blend(self, x: Float[Tensor, "batch *shape"], k: int = 1) -> Float[Tensor, "batch *shape"]:
        """The k best points, each weighed by how far its plane lies above the (k + 1)-th: continuous in x for k > 1.

        k = 1 is the map itself, which jumps at the walls of the cells.

        Raises:
            ValueError: unless 1 <= k < n.
        """
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k < len(self):
            raise ValueError(f"k is how many of the {len(self)} points are blended, at least 1 and fewer than all; got {k!r}")
        if k == 1:
            return self.points[self.cell(x)].to(x)
        parts = []
        for table in self._tables(x):
            best, index = table.topk(k + 1, dim=1)
            above = best[:, :k] - best[:, k:]
            weights = above / above.sum(1, keepdim=True).clamp(min=torch.finfo(above.dtype).tiny)
            parts.append(torch.einsum("bk,bk...->b...", weights, self.points[index[:, :k]].double()))
        return torch.cat(parts).to(x)


def on_a_line(
    points: Float[Tensor, "n one"], quantile: Callable[[Tensor], Tensor], shares: Float[Tensor, "n"] | None = None
) -> SemiDiscrete:
    """The exact answer in one dimension: walls at the quantiles of the noise law.

    Sorted by place, the wall between neighbors is where <x, y> + h agree, x = -(h' - h) / (y' - y), and the masses to its left sum to a
    known number c: so h' = h - quantile(c) (y' - y).  Heights are centered.

    Args:
        points: (n, 1), different.
        quantile: the inverse distribution function of the noise law, on float64 tensors.
        shares: (n,) masses; equal ones if None.

    Raises:
        ValueError: for points that are not (n, 1) or not different.
    """
    if points.ndim != 2 or points.shape[1] != 1 or len(points.unique()) != len(points):
        raise ValueError(f"got points of shape {tuple(points.shape)}; n different numbers, as (n, 1), are needed")
    masses = torch.full((len(points),), 1 / len(points), dtype=torch.float64) if shares is None else shares
    order = points[:, 0].argsort()
    gaps = points[order, 0].double().diff()
    drops = quantile(masses[order].cumsum(0)[:-1]) * gaps
    sorted_heights = torch.cat([torch.zeros(1, dtype=torch.float64), -drops.cumsum(0)])
    heights = torch.empty_like(sorted_heights)
    heights[order] = sorted_heights - sorted_heights.mean()
    return SemiDiscrete(points, heights, shares)
