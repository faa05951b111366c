"""Pairs that are jointly Gaussian: the bridge denoiser is linear, and everything about it is exact."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.displaced import Displaced
from workbench.bridges.pairs import Pairs, check_end, check_pinned
from workbench.bridges.pinned import Pinned
from workbench.draws import Generators, check_generators, normal
from workbench.gaussian.covariance import Dense
from workbench.gaussian.gaussian import GaussianDenoiser, checked_mean


@dataclass(frozen=True, eq=False)
class GaussianPairs(Pairs):
    """(x_0, x_T) ~ N(mean, covariance), the clean sample first; d entries each.

    Given the end point, x_0 = m_0 + K (x_T - m_T) + residual with the regression K = C_0T C_TT^-1 and a residual of covariance
    C_00 - K C_T0, the same for every end point (the normal equations; C_TT may be singular, then its pseudo-inverse).

    Args:
        mean: (2, \\*shape).
        covariance: (2 d, 2 d).
        schedule: the bridge.

    Raises:
        TypeError, ValueError: for a schedule that is no bridge's, or moments that do not fit together.
    """

    mean: Tensor
    covariance: Dense | Tensor
    schedule: Pinned

    def __post_init__(self) -> None:
        check_pinned(self.schedule, "GaussianPairs")
        mean = checked_mean(self.mean, "GaussianPairs")
        covariance = self.covariance if isinstance(self.covariance, Dense) else Dense(self.covariance)
        if mean.ndim < 2 or len(mean) != 2 or covariance.dim != mean.numel():
            raise ValueError(
                f"GaussianPairs needs a mean (2, *shape) and a covariance (2 d, 2 d), got {tuple(mean.shape)} and {covariance.dim} dimensions"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @classmethod
    def fit(cls, x0: Float[Tensor, "n *shape"], end: Float[Tensor, "n *shape"], schedule: Pinned) -> "GaussianPairs":
        """The maximum-likelihood Gaussian of the pairs (covariance with 1 / n).

        Raises:
            ValueError: for two shapes, or fewer than two pairs.
        """
        if x0.shape != end.shape or len(x0) < 2:
            raise ValueError(f"got x0 {tuple(x0.shape)} and end {tuple(end.shape)}; two or more pairs of one shape are needed")
        both = torch.stack([x0, end], 1).double()
        centered = (both - both.mean(0)).flatten(1)
        return cls(both.mean(0), centered.T @ centered / len(both), schedule)

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.mean.shape[1:]

    @cached_property
    def _parts(self) -> tuple[Tensor, GaussianDenoiser]:
        """K, and the law of the residual."""
        matrix, d = self.covariance.matrix(), self.covariance.dim // 2
        gain = matrix[:d, d:] @ torch.linalg.pinv(matrix[d:, d:], hermitian=True)
        left = matrix[:d, :d] - gain @ matrix[d:, :d]
        values, vectors = torch.linalg.eigh((left + left.T) / 2)
        values = torch.where(
            values < 1e-13 * float(matrix[:d, :d].diagonal().max()), 0.0, values
        )  # what rounding leaves of nothing
        residual = Dense((vectors * values) @ vectors.T)
        return gain, GaussianDenoiser(torch.zeros_like(self.mean[0]), residual, self.schedule)

    def given(self, end: Float[Tensor, "batch *shape"]) -> Displaced:
        """The exact denoiser of x_0 given these end points."""
        check_end(end, self.shape)
        gain, law = self._parts
        moved = (end.double().cpu() - self.mean[1]).flatten(1) @ gain.T
        return Displaced(law, (self.mean[0] + moved.view(len(end), *self.shape)).to(end))

    def sample(self, n: int, *, generator: Generators, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """n pairs (x_0, x_T), each (n, \\*shape)."""
        check_generators(generator, n, "sample")
        z = normal((n, self.covariance.dim), generator, dtype, "cpu")
        draws = self.covariance.apply(torch.sqrt, z).view(n, *self.mean.shape) + self.mean.to(dtype)
        return draws[:, 0], draws[:, 1]
