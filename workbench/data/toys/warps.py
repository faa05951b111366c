"""Simple laws pushed through maps that preserve area (so densities carry over unchanged), and a law with hard edges."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.data.toys.toy import Toy, normal, uniform


def _log_normal(z: Tensor) -> Tensor:
    return -(z.square() + math.log(2 * math.pi)) / 2


def _turn(x: Tensor, angle: Tensor) -> Tensor:
    """Rotate each point of ``x`` (..., 2) by its angle (...)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], dim=-1)


@dataclass(frozen=True, eq=False)
class Pinwheel(Toy):
    """``arms`` Gaussians around the origin, twisted: a point at radius r is turned by ``twist * r``.

    Before the twist, arm k is N((radius, 0), diag(radial^2, tangential^2)) turned by 2 pi k / arms. The twist changes
    the angle only, by an amount that depends on the radius only; its Jacobian determinant is 1, so the density at x is
    the mixture's density at the untwisted point. (The usual pinwheel twists by a coordinate instead of the radius and
    has no such closed form.)
    """

    arms: int
    radius: float
    radial: float
    tangential: float
    twist: float

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        z = normal(n, generator)
        blob = torch.stack([self.radius + self.radial * z[:, 0], self.tangential * z[:, 1]], dim=1)
        which = torch.randint(self.arms, (n,), generator=generator, device=generator.device)
        return _turn(blob, 2 * math.pi / self.arms * which + self.twist * blob.norm(dim=1))

    def _log_density(self, x: Tensor) -> Tensor:
        arm = 2 * math.pi / self.arms * torch.arange(self.arms, dtype=x.dtype, device=x.device)
        blob = _turn(x[:, None], -arm - self.twist * x.norm(dim=1, keepdim=True))
        along = _log_normal((blob[..., 0] - self.radius) / self.radial) - math.log(self.radial)
        across = _log_normal(blob[..., 1] / self.tangential) - math.log(self.tangential)
        return torch.logsumexp(along + across, dim=1) - math.log(self.arms)


@dataclass(frozen=True, eq=False)
class Banana(Toy):
    """``x_1 = width z_1``, ``x_2 = height z_2 + bend (z_1^2 - 1)`` with z standard normal; the shear preserves area.

    Its mean is 0, its covariance ``diag(width^2, height^2 + 2 bend^2)``.
    """

    width: float
    height: float
    bend: float

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        z = normal(n, generator)
        return torch.stack([self.width * z[:, 0], self.height * z[:, 1] + self.bend * (z[:, 0].square() - 1)], dim=1)

    def _log_density(self, x: Tensor) -> Tensor:
        first = x[:, 0] / self.width
        second = (x[:, 1] - self.bend * (first.square() - 1)) / self.height
        return _log_normal(first) + _log_normal(second) - math.log(self.width * self.height)


@dataclass(frozen=True, eq=False)
class Checkerboard(Toy):
    """Uniform on the eight dark squares, of side 1, of a 4 x 4 board over [-2, 2)^2; log-density -log 8 or -inf.

    A square with integer lower left corner (i, j) is dark when i + j is even. Points are drawn at the middles of a
    lattice of 2^20 cells a side per square: exact in float32, so rounding never moves one over an edge.
    """

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        column = torch.randint(-2, 2, (n,), generator=generator, device=generator.device)
        pair = torch.randint(2, (n,), generator=generator, device=generator.device)
        row = 2 * pair - 2 + column % 2
        corner = torch.stack([column, row], dim=1).double()
        offset = torch.stack([uniform(n, generator), uniform(n, generator)], dim=1)
        return corner + ((offset * 2**20).floor() + 0.5) / 2**20

    def _log_density(self, x: Tensor) -> Tensor:
        corner = x.floor()
        inside = ((corner >= -2) & (corner <= 1)).all(dim=1) & (corner.sum(dim=1) % 2 == 0)
        return torch.where(inside, torch.full_like(x[:, 0], -math.log(8)), torch.full_like(x[:, 0], -math.inf))


pinwheel = Pinwheel("pinwheel", arms=5, radius=1.5, radial=0.4, tangential=0.12, twist=0.9)
"""Five blobs at radius 1.5, 0.4 long and 0.12 wide, turned by 0.9 radians per unit of radius."""

banana = Banana("banana", width=0.9, height=0.3, bend=0.4)
"""A Gaussian bent along a parabola: x_1 = 0.9 z_1, x_2 = 0.3 z_2 + 0.4 (z_1^2 - 1)."""

checkerboard = Checkerboard("checkerboard")
"""Uniform on the dark squares of a 4 x 4 board over [-2, 2)^2."""
