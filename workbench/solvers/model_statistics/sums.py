"""Sums over pictures from which l, s and b follow: one pass over the data, in constant memory.

f = e - l v cannot be summed before l is known, and l' needs l at the neighboring nodes.  But with e' and v' = -e along the flow,
f' = e' - l' v + l e, and both are linear in v, e and e': their means and products are known from the means and products of those three.

Book: ``solvers/best_parameterization``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from workbench.solvers.model_statistics.basis import Basis
from workbench.solvers.model_statistics.derivatives import CALLS, Looked
from workbench.solvers.model_statistics.statistics import ModelStatistics, slopes

Drift = Literal["fitted", "linear"]
PARTS = ("zz", "zjz", "v", "e", "d", "vv", "ve", "ee", "vd", "ed")  # d is e', z the direction, j the Jacobian of e in v


@dataclass
class Sums:
    """Of products, over all pictures seen: (10, nodes, \\*shape) in float64, and how many pictures each node has seen."""

    total: Float[Tensor, "parts nodes *shape"]
    count: Int64[Tensor, "nodes"]

    @classmethod
    def empty(cls, nodes: int, shape: Sequence[int]) -> "Sums":
        """Nothing seen yet."""
        return cls(torch.zeros(len(PARTS), nodes, *shape, dtype=torch.float64), torch.zeros(nodes, dtype=torch.int64))

    def add(self, node: int, seen: Looked, z: Tensor, basis: Basis | None) -> None:
        """Add a batch at one node."""
        v, data, moved, turned, z = ((part if basis is None else basis.into(part)).to("cpu", torch.float64) for part in (*seen, z))
        e = v - data
        d = -e - moved
        products = (z * z, z * (z - turned), v, e, d, v * v, v * e, e * e, v * d, e * d)
        for total, product in zip(self.total[:, node], products, strict=True):
            total += product.sum(0)
        self.count[node] += len(v)

    def statistics(
        self, nodes: Float[Tensor, "nodes"], basis: Basis | None, pool: Sequence[int] | None = None, drift: Drift = "fitted"
    ) -> ModelStatistics:
        """The coefficients that these sums imply.

            l = E[z . J z] / E[z . z],    s = Cov(f, f') / Var(f),    b = E f' - s E f

        elementwise, or with sums and covariances pooled over the axes ``pool`` of a sample (all three then).  The slope of l is that of
        the table's own interpolation.  Where f does not vary (a Gaussian), and everywhere with ``drift="linear"``, s is l - 1.
        """
        scale = self.count.view(-1, *[1] * (self.total.ndim - 2)).to(torch.float64)
        mean = dict(zip(PARTS, self.total / scale, strict=True))

        def pooled(value: Tensor) -> Tensor:
            value = value if basis is None else basis.pooled(value)
            return value.mean([axis % (value.ndim - 1) + 1 for axis in pool], keepdim=True) if pool else value

        l = pooled(mean["zjz"]) / pooled(mean["zz"])  # noqa: E741
        slope = slopes(l, float(nodes[1] - nodes[0]))
        v, e, d, vv, ve, ee, vd, ed = (mean[name] for name in PARTS[2:])
        f, rate = e - l * v, d - slope * v + l * e
        f_squared = ee - 2 * l * ve + l * l * vv
        f_rate = ed - slope * ve + l * ee - l * (vd - slope * vv + l * ve)
        spread, together = pooled(f_squared - f * f), pooled(f_rate - f * rate)
        still = spread <= 1e-10 * pooled(ee)
        s = torch.where(still | (drift == "linear"), l - 1, together / torch.where(still, 1.0, spread))
        b = rate - s * f
        least = int(self.count.min())
        return ModelStatistics(nodes, l, s, pooled(b) if pool else b, basis, least, CALLS * int(self.count.sum()))
