"""Curves blurred by Gaussian noise: moons, spirals, swiss roll and circles, each with its exact density.

A point is ``path(u) + std * noise``, so its density is the average of ``N(x; path(u), std^2 I)`` along the curve: one
integral over u. For whole circles that integral is a Bessel function; for the others Gauss-Legendre quadrature gives it
to about 1e-12, because the integrand is smooth on the scale of the noise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from workbench.data.toys.toy import Toy, normal, polar, uniform

_NODES = 512
_CHUNK = 4096


@cache
def _gauss_legendre(nodes: int) -> tuple[Tensor, Tensor]:
    """Return nodes and weights of Gauss-Legendre quadrature on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy((x + 1) / 2), torch.from_numpy(w / 2)


@dataclass(frozen=True, eq=False)
class Curve(Toy):
    """The law of ``arm(u) + std * noise``: u in [0, 1] has density ``growth * u^(growth - 1)``, all arms alike.

    ``growth = 1`` is uniform in u; ``growth = 2`` puts twice the mass where a spiral is twice as long.
    """

    arms: tuple[Callable[[Tensor], Tensor], ...]
    std: float
    growth: int = 1

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        u = uniform(n, generator) ** (1 / self.growth)
        which = torch.randint(len(self.arms), (n, 1), generator=generator, device=generator.device)
        points = torch.zeros(n, 2, dtype=torch.float64, device=generator.device)
        for index, arm in enumerate(self.arms):
            points = torch.where(which == index, arm(u), points)
        return points + self.std * normal(n, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        u, weight = (part.to(x.device) for part in _gauss_legendre(_NODES))
        log_weight = (weight * self.growth * u ** (self.growth - 1)).log() - math.log(len(self.arms))
        points = torch.cat([arm(u) for arm in self.arms])
        terms = log_weight.repeat(len(self.arms)) - math.log(2 * math.pi * self.std**2)
        blocks = [
            torch.logsumexp(terms - (rows[:, None] - points).square().sum(dim=-1) / (2 * self.std**2), dim=1)
            for rows in x.split(_CHUNK)
        ]
        return torch.cat(blocks)


@dataclass(frozen=True, eq=False)
class Circles(Toy):
    """Circles around the origin, equally likely, blurred by isotropic noise of standard deviation ``std``.

    With r = |x|, one circle of radius R has density ``exp(-(r^2 + R^2) / (2 std^2)) I_0(r R / std^2) / (2 pi std^2)``
    (r then follows Rice's law); ``i0e`` keeps it finite.
    """

    radii: tuple[float, ...]
    std: float

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        which = torch.randint(len(self.radii), (n,), generator=generator, device=generator.device)
        radius = torch.tensor(self.radii, dtype=torch.float64, device=generator.device)[which]
        return polar(radius, 2 * math.pi * uniform(n, generator)) + self.std * normal(n, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        r = x.norm(dim=1, keepdim=True)
        radius = torch.tensor(self.radii, dtype=torch.float64, device=x.device)
        bessel = torch.special.i0e(r * radius / self.std**2).log()
        terms = bessel - (r - radius).square() / (2 * self.std**2) - math.log(2 * math.pi * self.std**2)
        return torch.logsumexp(terms, dim=1) - math.log(len(self.radii))


def _moon(center: tuple[float, float], start: float) -> Callable[[Tensor], Tensor]:
    def arm(u: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        return polar(torch.full_like(u, 1.5), start + math.pi * u) + torch.tensor(center, dtype=u.dtype, device=u.device)

    return arm


def _spiral(start: float, turns: float, inner: float, outer: float) -> Callable[[Tensor], Tensor]:
    def arm(u: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        return polar(inner + (outer - inner) * u, start + 2 * math.pi * turns * u)

    return arm


two_moons = Curve("two_moons", (_moon((-0.75, -0.375), 0.0), _moon((0.75, 0.375), math.pi)), std=0.15)
"""Two interleaved half circles of radius 1.5, centers (-0.75, -0.375) and (0.75, 0.375), blurred by 0.15."""

two_spirals = Curve("two_spirals", (_spiral(0.0, 1.5, 0.0, 2.5), _spiral(math.pi, 1.5, 0.0, 2.5)), std=0.08, growth=2)
"""Two Archimedean spirals of one and a half turns, radius 0 to 2.5, about evenly filled, blurred by 0.08."""

swiss_roll = Curve("swiss_roll", (_spiral(1.5 * math.pi, 1.5, 2.6 / 3, 2.6),), std=0.08)
"""The swiss roll from the side: t (cos t, sin t), t uniform on [1.5 pi, 4.5 pi], scaled to radius 2.6, blur 0.08."""

circles = Circles("circles", radii=(1.0, 2.2), std=0.12)
"""Two concentric circles of radius 1 and 2.2, equally likely, blurred by 0.12."""
