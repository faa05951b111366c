"""Gaussians and mixtures of Gaussians: the toys whose denoiser is known in closed form."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.data.toys.toy import Toy, normal, polar


@dataclass(frozen=True, eq=False)
class Mixture(Toy):
    """The law ``sum_k weights[k] N(means[k], covariances[k])``: (k,), (k, 2) and (k, 2, 2) float64 tensors."""

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k 2"]
    covariances: Float[Tensor, "k 2 2"]

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        device = generator.device
        which = torch.multinomial(self.weights.to(device), n, replacement=True, generator=generator)
        factors = torch.linalg.cholesky(self.covariances.to(device))
        return self.means.to(device)[which] + (factors[which] @ normal(n, generator)[:, :, None])[:, :, 0]

    def _log_density(self, x: Tensor) -> Tensor:
        factors = torch.linalg.cholesky(self.covariances.to(x.device))
        centered = (x[:, None] - self.means.to(x.device)).transpose(0, 1).mT
        whitened = torch.linalg.solve_triangular(factors, centered, upper=False)
        log_scale = factors.diagonal(dim1=-2, dim2=-1).log().sum(dim=1) + math.log(2 * math.pi)
        log_weight = self.weights.to(x.device).log() - log_scale
        return torch.logsumexp(log_weight[:, None] - whitened.square().sum(dim=1) / 2, dim=0)


@dataclass(frozen=True, eq=False)
class Gaussian(Mixture):
    """A single Gaussian ``N(mean, covariance)``, which is also a mixture of one."""

    @property
    def mean(self) -> Float[Tensor, "2"]:
        """The mean, (2,) float64."""
        return self.means[0]

    @property
    def covariance(self) -> Float[Tensor, "2 2"]:
        """The covariance, (2, 2) float64."""
        return self.covariances[0]


def _gaussian(name: str, mean: tuple[float, float], variances: tuple[float, float], degrees: float) -> Gaussian:
    angle = torch.tensor(math.radians(degrees), dtype=torch.float64)
    axes = torch.stack([polar(torch.ones_like(angle), angle + turn) for turn in (0.0, math.pi / 2)], dim=1)
    covariance = axes @ torch.diag(torch.tensor(variances, dtype=torch.float64)) @ axes.T
    mean_row = torch.tensor([mean], dtype=torch.float64)
    return Gaussian(name, torch.ones(1, dtype=torch.float64), mean_row, ((covariance + covariance.T) / 2)[None])


def _equal_blobs(name: str, means: Tensor, std: float) -> Mixture:
    count = len(means)
    covariances = (std**2 * torch.eye(2, dtype=torch.float64)).repeat(count, 1, 1)
    return Mixture(name, torch.full((count,), 1 / count, dtype=torch.float64), means, covariances)


ellipse = _gaussian("ellipse", mean=(0.5, -0.25), variances=(1.0, 0.05), degrees=30.0)
"""The ellipse: N((0.5, -0.25), R diag(1, 0.05) R^T), R the rotation by 30 degrees."""

ring = _equal_blobs("ring", polar(torch.full((8,), 2.0, dtype=torch.float64), torch.arange(8.0).double() * math.pi / 4), 0.2)
"""The ring: eight equal Gaussians of standard deviation 0.2 on the circle of radius 2, the first at (2, 0)."""

eight_gaussians = ring
"""The ring under the name most papers give it."""

gaussian_grid = _equal_blobs("gaussian_grid", torch.cartesian_prod(*[torch.linspace(-2, 2, 5, dtype=torch.float64)] * 2), 0.1)
"""Twenty-five equal Gaussians of standard deviation 0.1 at the points of {-2, -1, 0, 1, 2}^2."""
