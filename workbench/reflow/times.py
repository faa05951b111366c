"""Densities of the time t at which a flow is trained: where on the line from data (0) to noise (1) attention is spent."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.nets.training.flow_matching import UniformTimes as Uniform
from workbench.schedules import Schedule

__all__ = ["LogitNormal", "UShaped", "Uniform"]


@dataclass(frozen=True)
class UShaped:
    """p(t) = a cosh(a (t - center)) / (sinh(a (1 - center)) + sinh(a center)) on [0, 1]: both ends seen more often than the middle.

    With the center 1/2 it is a mixture in equal parts of a e^(a t) / (e^a - 1) and its mirror image, what the program of
    ``lee2024rfpp`` draws.  After one reflow the loss is large only at the ends, where the directions of different pairs still meet;
    in the first round it is largest in the middle, and this density is wrong.

    As quoted from that paper's text, p(u) proportional to e^(a u) + e^(-a u) on [0, 1], it is ``center=0``: it only rises, and sees the
    data's end the least of all.  The two are the same curve, cut at other places.

    Drawn exactly by inverting the distribution function:
    t = center + asinh(u sinh(a (1 - center)) - (1 - u) sinh(a center)) / a.

    Args:
        a: how much the ends are preferred; 0 is uniform.  p(0) / p(1/2) = cosh(a / 2) for the center 1/2.
        center: the time that is seen least.

    Raises:
        ValueError: for an a that is negative or above 100, or a center outside [0, 1].
    """

    a: float = 4.0
    center: float = 0.5
    paper = "lee2024rfpp"

    def __post_init__(self) -> None:
        if not 0 <= self.a <= 100:
            raise ValueError(f"a={self.a}; it needs to be between 0 (uniform) and 100")
        if not 0 <= self.center <= 1:
            raise ValueError(
                f"center={self.center}; it is a time in [0, 1]: 1/2 for a U, 0 for the density as the paper's text has it"
            )

    @property
    def _sides(self) -> tuple[float, float]:
        """The integrals of a cosh(a (t - center)) after the center and before it."""
        return math.sinh(self.a * (1 - self.center)), math.sinh(self.a * self.center)

    def density(self, t: Float64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
        """p(t), 0 outside [0, 1]."""
        inside = (t >= 0) & (t <= 1)
        shape = torch.ones_like(t) if self.a < 1e-6 else self.a * torch.cosh(self.a * (t - self.center)) / sum(self._sides)
        return torch.where(inside, shape, 0.0)

    def at(self, u: Float64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
        """The quantile of u in [0, 1]."""
        if self.a < 1e-6:
            return u
        after, before = self._sides
        return self.center + torch.asinh(u * after - (1 - u) * before) / self.a

    def draw(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw one time of ``schedule`` for each sample."""
        u = torch.rand(batch, generator=generator, dtype=torch.float64, device=generator.device)
        return schedule.t_max * self.at(1 - u).clamp(min=2.0**-53, max=1.0)


@dataclass(frozen=True)
class LogitNormal:
    """log(t / (1 - t)) ~ N(mean, std^2): the middle seen more often than the ends (``esser2024sd3``), as suits a first round.

    Raises:
        ValueError: for a mean that is not finite or a standard deviation that is not positive.
    """

    mean: float = 0.0
    std: float = 1.0
    paper = "esser2024sd3"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            raise ValueError(f"mean={self.mean}, std={self.std}; a finite mean and a positive std are needed")

    def density(self, t: Float64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
        """p(t), 0 at both ends and beyond."""
        inside = (t > 0) & (t < 1)
        safe = torch.where(inside, t, 0.5)
        z = (torch.logit(safe) - self.mean) / self.std
        return torch.where(inside, (-z * z / 2).exp() / (self.std * math.sqrt(2 * math.pi) * safe * (1 - safe)), 0.0)

    def at(self, u: Float64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
        """The quantile of u in (0, 1)."""
        return torch.sigmoid(self.mean + self.std * torch.special.ndtri(u))

    def draw(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw one time of ``schedule`` for each sample."""
        z = torch.randn(batch, generator=generator, dtype=torch.float64, device=generator.device)
        return schedule.t_max * torch.sigmoid(self.mean + self.std * z)
