"""A Gaussian law of pictures of which some linear measurements are known exactly: missing pixels, or block averages."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.displaced import Displaced
from workbench.bridges.pairs import Pairs, check_end, check_pinned
from workbench.bridges.pinned import Pinned
from workbench.gaussian.covariance import LowRank
from workbench.gaussian.gaussian import GaussianDenoiser


@dataclass(frozen=True, eq=False)
class ProjectedPairs(Pairs):
    """x_0 ~ ``law`` and x_T = A^T A x_0: the picture with everything removed that the k orthonormal rows of A do not see.

    For Sigma = V diag(values) V^T + f (I - V V^T), with Q = I - A^T A, D = values - f and M = (diag(1 / D) + V^T A^T A V / f)^-1,

        x_0 = Q mean + A^T A x_T + Q V M V^T A^T A (x_T - mean) / f + residual,     Cov residual = Q (f I + V M V^T) Q,

    again a low rank, a floor and k directions without variance: no d x d matrix is needed.

    Args:
        law: a Gaussian whose covariance is :class:`LowRank` with a floor f > 0 below all its values; its schedule is the bridge.
        rows: A, (k, d), orthonormal.

    Raises:
        TypeError, ValueError: for another law, rows that are not orthonormal to 1e-6, or more directions than d in all.
    """

    law: GaussianDenoiser
    rows: Tensor

    def __post_init__(self) -> None:
        check_pinned(self.law.schedule, "ProjectedPairs")
        covariance = self.law.covariance
        if (
            not isinstance(covariance, LowRank)
            or not covariance.has_floor
            or not 0 < covariance.floor < covariance.spectrum[:-1].min()
        ):
            raise ValueError(
                "ProjectedPairs needs a law with a LowRank covariance whose floor is positive and below all its values"
            )
        rows = self.rows.to(torch.float64)
        if rows.ndim != 2 or rows.shape[1] != self.law.dim or not 0 < len(rows) + covariance.rank < self.law.dim:
            raise ValueError(
                f"rows have shape {tuple(self.rows.shape)}; they need to be (k, {self.law.dim}) with k + {covariance.rank} below {self.law.dim}"
            )
        gap = float((rows @ rows.T - torch.eye(len(rows), dtype=torch.float64)).abs().max())
        if gap > 1e-6:
            raise ValueError(f"rows must be orthonormal, got |A A^T - I| up to {gap:.3g}; use torch.linalg.qr(rows.T).Q.T")
        object.__setattr__(self, "rows", rows)

    @property
    def schedule(self) -> Pinned:
        """That of the law."""
        return self.law.schedule

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.law.shape

    def degraded(self, x0: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """x_T = A^T A x_0."""
        rows = self.rows.to(x0)
        return ((x0.flatten(1) @ rows.T) @ rows).view(x0.shape)

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, GaussianDenoiser]:
        """A V, M / f, Q V, and the law of the residual."""
        covariance = self.law.covariance
        vectors, floor = covariance.vectors, covariance.floor
        seen = self.rows @ vectors
        unseen = vectors - self.rows.T @ seen
        precision = torch.diag(1 / (covariance.spectrum[:-1] - floor)) + seen.T @ seen / floor
        left = torch.linalg.inv(precision)
        basis, triangle = torch.linalg.qr(unseen)
        values, turn = torch.linalg.eigh(triangle @ (left + left.T) @ triangle.T / 2)
        directions = torch.cat([basis @ turn, self.rows.T], 1)
        known = torch.zeros(len(self.rows), dtype=torch.float64)
        residual = LowRank(directions, torch.cat([floor + values.clamp(min=0), known]), floor)
        return seen, left / floor, unseen, GaussianDenoiser(torch.zeros_like(self.law.mean), residual, self.schedule)

    def given(self, end: Float[Tensor, "batch *shape"]) -> Displaced:
        """The exact denoiser of x_0 given these end points."""
        check_end(end, self.shape)
        seen, shares, unseen, law = self._parts
        mean = self.law.mean.flatten()
        news = (end.double().cpu().flatten(1) - mean) @ self.rows.T
        offset = mean + news @ self.rows + ((news @ seen) @ shares) @ unseen.T
        return Displaced(law, offset.view(end.shape).to(end))
