"""A law that is known better in a few directions: anything there, a Gaussian everywhere else."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Time, as_time, at_least_single
from workbench.draws import Generators
from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.gaussian.law import Law, wide
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class SubspaceLaw(Law):
    """``inside`` along the first r eigenvectors U of ``outside``, the Gaussian ``outside`` in all other directions, independent.

    x_0 = U z + (I - U U^T) y  with z ~ inside, in r dimensions, and y ~ outside.  Noise is isotropic, so the two parts stay
    independent at every t, and every face is the sum of theirs:

        face(x) = g + U (inside.face(U^T x) - U^T g),   g = outside.face(x)

    So a mixture of Gaussians that differ in a few hundred directions costs about one Gaussian, and needs memory for one basis.

    Args:
        inside: a law of samples (r,), in the coordinates z = U^T x_0.
        outside: a Gaussian whose covariance has at least r eigenvectors (``LowRank``, in stored order, or ``Dense``); what it says
            along U is not used.

    Raises:
        ValueError: for two schedules, an inside that is no vector, or an outside without that many vectors.
    """

    inside: Law
    outside: GaussianDenoiser
    paper = "wang2024gaussian"

    def __post_init__(self) -> None:
        if self.inside.schedule != self.outside.schedule:
            raise ValueError(
                f"inside lives on {self.inside.schedule}, outside on {self.outside.schedule}; use .on(schedule) on one of them"
            )
        vectors = self.outside.covariance.vectors
        stored = 0 if vectors is None else vectors.shape[1]
        if len(self.inside.shape) != 1 or self.inside.dim > stored:
            raise ValueError(
                f"inside has samples {tuple(self.inside.shape)}; it needs (r,) with r at most {stored}, the eigenvectors of outside"
            )

    @property
    def schedule(self) -> Schedule:
        """The schedule of both parts."""
        return self.outside.schedule

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.outside.shape

    def coordinates(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch r"]:
        """z = U^T x."""
        return x.flatten(1) @ self._basis(x)

    def _basis(self, x: Tensor) -> Tensor:
        return self.outside.covariance.basis(x)[:, : self.inside.dim]

    def _replace(self, x: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
        """``outer`` with its part along U replaced by ``inner``."""
        basis, flat = self._basis(x), outer.flatten(1)
        return torch.addmm(flat, inner.to(flat) - flat @ basis, basis.T).view(x.shape)

    def _face(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        work = at_least_single(x)
        inner = self.inside.face(target, self.coordinates(work), t)
        return self._replace(work, self.outside.face(target, work, t), inner).to(x.dtype)

    def flow(self, x: Float[Tensor, "batch *shape"], t: float, s: float) -> Float[Tensor, "batch *shape"]:
        """Both parts carried along their own flows, where the inside has a closed one (one Gaussian for each sample).

        Raises:
            TypeError: for an inside without a flow map, such as a mixture.
        """
        if not hasattr(self.inside, "flow"):
            raise TypeError(
                f"{type(self.inside).__name__} has no closed flow map; bind a class with .given(k), or use wb.solvers.reference"
            )
        self._check(x)
        return self._replace(x, self.outside.flow(x, t, s), self.inside.flow(self.coordinates(x), t, s))

    def log_prob(self, x: Float[Tensor, "batch *shape"], t: Time = 0.0) -> Float[Tensor, "batch"]:
        """log q_t(x) in nats: the outside's, its own share along U taken out, the inside's put in."""
        self._check(x)
        t, exact = as_time(t, len(x)), wide(x).view(x.shape)
        z = self.coordinates(exact)
        return (self.outside.log_prob(exact, t) + self.inside.log_prob(z, t) - self._marginal.log_prob(z, t)).to(x)

    @cached_property
    def _marginal(self) -> GaussianDenoiser:
        """What the outside says along U, to be taken out."""
        r, covariance = self.inside.dim, self.outside.covariance
        mean = self.outside.mean.flatten() @ covariance.vectors[:, :r]
        return GaussianDenoiser(mean, covariance.spectrum[:r], self.schedule)

    def responsibilities(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch components"]:
        """P(component | x_t) where the inside is a mixture: the other directions say nothing about it."""
        self._check(x)
        return self.inside.responsibilities(self.coordinates(x), t)

    def given(self, condition: Any) -> "SubspaceLaw":
        """The inside with a class bound: one label, or one for each sample."""
        return replace(self, inside=self.inside.given(condition))

    def on(self, schedule: Schedule) -> "SubspaceLaw":
        """The same law of the data on another schedule."""
        return replace(self, inside=self.inside.on(schedule), outside=self.outside.on(schedule))

    def _draw(self, n: int, t: float, generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        outer = self.outside.sample(n, t, generator=generator, dtype=dtype, device=device)
        return self._replace(outer, outer, self.inside.sample(n, t, generator=generator, dtype=dtype, device=device))
