"""The exact denoiser, score, probability flow and likelihood of Gaussian data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Time, at_least_single, per_sample
from workbench.draws import Generators, normal
from workbench.gaussian.covariance import Covariance, LowRank, as_covariance, cast_weights, lasting
from workbench.gaussian.estimate import fitted, mean_of
from workbench.gaussian.law import Law, check_schedule, wide
from workbench.gaussian.response import posterior_variance, response, variance
from workbench.schedules import Schedule

_MEMO_LIMIT = 512


@dataclass(frozen=True, eq=False)
class GaussianDenoiser(Law):
    """Data N(mean, Sigma): everything is exact, everything is linear in x.

    x_t ~ N(alpha mean, alpha^2 Sigma + sigma^2 I); the four faces are those of :mod:`workbench.gaussian.response`.  Coefficients are
    float64 whatever the dtype of x.  All times work, t = 0 and alpha = 0 included; noise and score at sigma = 0 need Sigma > 0.
    Paper: ``wang2024gaussian``.

    Args:
        mean: of any sample shape, (2,) or (3, 32, 32); d entries in all.
        covariance: a :class:`Covariance` of the flattened sample, a (d, d) tensor (Dense), (d,) tensor (Diagonal), or a number.
        schedule: the noise schedule.

    Raises:
        TypeError, ValueError: for a mean that is no finite floating-point tensor with at least one axis, or a covariance that does
            not fit it.
    """

    mean: Tensor
    covariance: Covariance | Tensor | float | int
    schedule: Schedule
    paper = "wang2024gaussian"

    def __post_init__(self) -> None:
        check_schedule(self.schedule, "GaussianDenoiser")
        object.__setattr__(self, "mean", checked_mean(self.mean, "GaussianDenoiser"))
        object.__setattr__(self, "covariance", as_covariance(self.covariance, self.mean.numel()))

    @classmethod
    def fit(
        cls,
        x0: Float[Tensor, "samples *shape"],
        schedule: Schedule,
        rank: int | None = None,
        floor: float | int | None = None,
    ) -> "GaussianDenoiser":
        """The maximum-likelihood Gaussian of the data (covariance with 1 / n).

        Args:
            x0: at least two samples.
            schedule: the noise schedule.
            rank: keep only the leading eigenvectors; None is the full covariance.
            floor: with a rank, the variance of the other directions (None: the average of the eigenvalues left out); without one,
                the least eigenvalue.

        Raises:
            TypeError, ValueError: for data that are not floating-point, too few, or not finite; a rank above min(samples, d).
        """
        return cls(mean_of(x0), fitted(x0, rank, floor), schedule)

    @classmethod
    def from_moments(cls, moments: Any, schedule: Schedule, rank: int | None = None) -> "GaussianDenoiser":
        """From stored moments, such as ``wb.artifacts.load("cifar10-moments")``.

        Args:
            moments: has ``mean`` (\\*shape), ``spectrum`` (d,) in decreasing order, and ``vectors`` (d, r), the r leading ones.
            schedule: the noise schedule.
            rank: how many vectors to use, at most r (None: all).  The others share the average of their eigenvalues.

        Raises:
            ValueError: for a rank that is not there, or moments that do not fit together.
        """
        spectrum, vectors = moments.spectrum.to(torch.float64), moments.vectors.to(torch.float64)
        dim, stored = vectors.shape
        rank = stored if rank is None else rank
        if not 1 <= rank <= stored:
            raise ValueError(f"rank must be between 1 and {stored}, the number of stored vectors; got {rank}")
        if spectrum.shape != (dim,) or not bool((spectrum.diff() <= 0).all()):
            raise ValueError(f"spectrum must be ({dim},) in decreasing order, as the vectors are; got {tuple(spectrum.shape)}")
        if moments.vectors.dtype != torch.float64:  # orthonormal again after single precision or less
            vectors, triangle = torch.linalg.qr(vectors[:, :rank])
            vectors = vectors * triangle.diagonal().sign()
        floor = float(spectrum[rank:].mean().clamp(min=0)) if rank < dim else 0.0
        return cls(moments.mean, LowRank(vectors[:, :rank], spectrum[:rank].clamp(min=0), floor), schedule)

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.mean.shape

    @cached_property
    def _memo(self) -> dict:
        return {}

    def _like(self, x: Tensor) -> Tensor:
        return self._remember(("mean", x.dtype, x.device), lambda: self.mean.to(x))

    def _remember(self, key, make):
        if (known := self._memo.get(key)) is None:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            with torch.inference_mode(False), torch.no_grad():
                known = make()
                if isinstance(known, tuple):
                    known = tuple(lasting(part) if isinstance(part, Tensor) else part for part in known)
                else:
                    known = lasting(known)
                self._memo[key] = known
        return known

    def _response(self, face: str, t: float | Tensor, x: Tensor):
        def make():
            shift, f = response(face, self.schedule, t)
            return shift, cast_weights(f(self.covariance.spectrum), x)

        return make() if isinstance(t, Tensor) else self._remember((face, t, x.dtype, x.device), make)

    def _face(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        work = at_least_single(x)
        shift, weights = self._response(target, t, work)
        out = self.covariance.weigh(weights, self._centered(work, t).flatten(1)).view(x.shape)
        if isinstance(shift, Tensor) or shift != 0:
            out = out + per_sample(_flat(shift), work) * self._like(work)
        return out.to(x.dtype)

    def _centered(self, x: Tensor, t: float | Tensor) -> Tensor:
        alpha = per_sample(self.schedule.alpha(t), x)
        return torch.sub(x, self._like(x), alpha=alpha) if isinstance(alpha, float) else x - alpha * self._like(x)

    def flow(
        self, x: Float[Tensor, "batch *shape"], t: float | int | Tensor, s: float | int | Tensor | Sequence[float | int]
    ) -> Tensor:
        """Where the probability-flow ODE carries x_t by time s, exactly, in either direction.

            x_s = alpha_s mean + sqrt((alpha_s^2 Sigma + sigma_s^2) / (alpha_t^2 Sigma + sigma_t^2)) (x_t - alpha_t mean)

        Every eigen-coordinate keeps its quantile.  Both ends of the schedule may be used.

        Args:
            x: the state at time t.
            t: one time, a float or a 0-d tensor.
            s: one time; or a grid of them, (points,), for the trajectory (points, batch, \\*shape).

        Raises:
            ValueError: for times outside the schedule, or a start at sigma = 0 in a direction without variance (nothing to expand).
        """
        self._check(x)
        t = float(t)
        if isinstance(s, Sequence) or (isinstance(s, Tensor) and s.ndim == 1):
            if not len(s):
                raise ValueError("s is an empty grid; give one time, or at least one time in a sequence")
            return torch.stack([self.flow(x, t, float(one)) for one in s])
        s = float(s)
        work = at_least_single(x)

        def make() -> Tensor:
            before, after = (
                variance(self.schedule, t)(self.covariance.spectrum),
                variance(self.schedule, s)(self.covariance.spectrum),
            )
            lost = before == 0
            if bool((lost & (after > 0)).any()):
                raise ValueError(
                    f"at t = {t} this law has no variance in {int(self.covariance.multiplicity[lost].sum())} of {self.dim} dimensions, so "
                    f"nothing flows to s = {s} along them; start at t_last = {self.schedule.t_last}, or give the covariance a floor"
                )
            return cast_weights(torch.where(lost, 1.0, (after / before).sqrt()), work)

        weights = self._remember(("flow", t, s, x.dtype, x.device), make)
        out = self.covariance.weigh(weights, self._centered(work, t).flatten(1)).view(x.shape)
        return out.add_(self._like(work), alpha=self.schedule.alpha(s)).to(x.dtype)

    def log_prob(self, x: Float[Tensor, "batch *shape"], t: Time = 0.0) -> Float[Tensor, "batch"]:
        """log N(x; alpha mean, alpha^2 Sigma + sigma^2 I) in nats, evaluated in float64, returned in the dtype of x.

        Raises:
            ValueError: at sigma = 0 when Sigma is singular: there is no density.
        """
        self._check(x)
        t = self._time(t, len(x))
        at = variance(self.schedule, t)
        self._check_density(at, t)
        centered = self._centered(wide(x).view(x.shape), t).flatten(1)
        quadratic = self.covariance.quadratic(lambda values: 1 / at(values), centered)
        logdet = self.covariance.sum(lambda values: at(values).log()).to(centered.device)
        return (-0.5 * (self.dim * math.log(2 * math.pi) + logdet + quadratic)).to(x)

    def _check_density(self, at, t) -> None:
        if not bool((at(self.covariance.spectrum) > 0).all()):
            raise ValueError(
                f"at t = {t} the law has no density: its covariance is singular; ask at t > 0, or give the covariance a floor"
            )

    def _draw(self, n: int, t: float, generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        z = normal((n, self.dim), generator, dtype, device)
        at = variance(self.schedule, t)
        draws = self.covariance.apply(lambda values: at(values).sqrt(), z).view(n, *self.shape)
        return draws.add_(self._like(z), alpha=self.schedule.alpha(t))

    def marginal(self, t: float | int) -> "GaussianDenoiser":
        """The law of x_t, taken as a data law: N(alpha mean, alpha^2 Sigma + sigma^2 I)."""
        t = float(t)
        return GaussianDenoiser(self.schedule.alpha(t) * self.mean, self.covariance.map(variance(self.schedule, t)), self.schedule)

    def posterior_covariance(self, t: float | int) -> Covariance:
        """Cov[x_0 | x_t] = Sigma sigma^2 / (alpha^2 Sigma + sigma^2), the same for every x_t."""
        return self.covariance.map(posterior_variance(self.schedule, float(t)))

    def mmse(self, t: Time) -> float | Tensor:
        """E|x_0 - data(x_t, t)|^2 = tr Cov[x_0 | x_t], the error no denoiser beats; a float, or (batch,) for (batch,) times."""
        t = self._time(t, len(t) if isinstance(t, Tensor) and t.ndim else 1)
        total = self.covariance.sum(posterior_variance(self.schedule, t))
        return total if isinstance(t, Tensor) else float(total)

    def entropy(self, t: Time = 0.0) -> float | Tensor:
        """The differential entropy of x_t in nats, 1/2 log det(2 pi e (alpha^2 Sigma + sigma^2 I)); -inf where singular."""
        t = self._time(t, len(t) if isinstance(t, Tensor) and t.ndim else 1)
        at = variance(self.schedule, t)
        total = 0.5 * self.covariance.sum(lambda values: (2 * math.pi * math.e * at(values)).log())
        return total if isinstance(t, Tensor) else float(total)


def checked_mean(mean: Tensor, who: str) -> Tensor:
    """The mean as a finite float64 CPU tensor with at least one axis."""
    if not isinstance(mean, Tensor) or not mean.is_floating_point():
        got = f"dtype {mean.dtype}" if isinstance(mean, Tensor) else type(mean).__name__
        raise TypeError(f"{who} needs a floating-point tensor as mean, got {got}")
    if mean.ndim < 1 or not mean.numel() or not bool(mean.isfinite().all()):
        raise ValueError(f"{who} needs a finite mean with at least one axis, got shape {tuple(mean.shape)}")
    return mean.detach().to("cpu").to(torch.float64)


def _flat(value: float | Tensor) -> float | Tensor:
    return value.flatten() if isinstance(value, Tensor) else value
