"""The statistics of a Gaussian law in closed form, in the coordinates of its eigenvectors.

With variance c and mean m of a coordinate, and rho = e^-lambda,

    e = rho^2 / (c + rho^2) (v - m)     so     l = rho^2 / (c + rho^2) = 1 / (1 + c e^(2 lambda))     and     f = -l m,

a number that is known beforehand.  Any s is then right if b = f' - s f; we take s = l - 1, which is 0 where the data prediction is the
one that stands still and -1 where the noise prediction is, so b = m l (1 - l).  The integrals are

    L = -log(c + rho^2) / 2,     S = L - lambda,     integral of e^(L + S) dlambda = -arctan(rho / sqrt(c)) / sqrt(c),

so in the best coordinates for a Gaussian, time is an angle.

Book: ``solvers/best_parameterization``.
"""

import torch
from torch import Tensor

from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.solvers.model_statistics.basis import Eigenvectors
from workbench.solvers.model_statistics.statistics import Coefficients, ModelStatistics


class GaussianStatistics(ModelStatistics):
    """l = 1 / (1 + c e^(2 lambda)), s = l - 1, b = m l (1 - l) for variances c and means m; DPM-Solver-v3 is then exact in one step.

    A diagonal covariance acts on the entries of a sample, a dense or low-rank one in the basis of its eigenvectors.

    Raises:
        TypeError: for anything but a Gaussian law.
    """

    points = 8

    def __init__(self, law: GaussianDenoiser) -> None:
        if not isinstance(law, GaussianDenoiser):
            raise TypeError(
                f"closed-form statistics need a GaussianDenoiser, got {type(law).__name__}; use ModelStatistics.estimate"
            )
        covariance, basis = law.covariance, Eigenvectors.of(law.covariance, law.shape)
        if basis is None:
            variance, mean = covariance.spectrum.view(law.shape), law.mean
        else:
            mean, variance = basis.into(law.mean[None])[0], covariance.spectrum
            if covariance.has_floor:
                variance = torch.cat([variance[:-1], variance[-1:].expand(law.dim)])
        for name, value in (
            ("variance", variance),
            ("mean", mean),
            ("basis", basis),
            ("samples", 0),
            ("evaluations", 0),
            ("_memo", {}),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"GaussianStatistics(shape={tuple(self.shape)}, basis={type(self.basis).__name__})"

    @property
    def shape(self) -> torch.Size:
        """Of the coordinates."""
        return self.variance.shape

    def _squared(self, lam: Tensor) -> Tensor:
        """rho^2 as a column."""
        return torch.exp(-2 * lam.to(torch.float64)).view(-1, *[1] * self.variance.ndim)

    def at(self, lam: Tensor) -> Coefficients:
        """The formulas."""
        squared = self._squared(lam)
        total = self.variance + squared
        left = self.variance / total  # 1 - l, without cancellation
        linear = squared / total
        return Coefficients(linear, -left, self.mean * linear * left)

    def integrals(self, lam: Tensor) -> tuple[Tensor, Tensor]:
        """L = -log(c + rho^2) / 2 and S = L - lambda."""
        linear = -0.5 * torch.log(self.variance + self._squared(lam))
        return linear, linear - lam.to(torch.float64).view(-1, *[1] * self.variance.ndim)

    def forcing(self, lam: Tensor) -> Tensor:
        """b alone."""
        return self.at(lam).b

    def breaks(self, low: float, high: float) -> list[float]:
        """None: smooth everywhere."""
        return []

    def snapped(self, schedule, grid: Tensor) -> Tensor:
        """The grid itself: there are no nodes."""
        return grid
