"""The exact denoiser of a mixture of Gaussians: each component denoises, the responsibilities decide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Time
from workbench.draws import Generators, normal
from workbench.gaussian.covariance import Covariance, as_covariance, lasting
from workbench.gaussian.gaussian import GaussianDenoiser, checked_mean
from workbench.gaussian.law import Law, check_schedule, wide
from workbench.gaussian.response import columns, posterior_variance, response, variance
from workbench.schedules import Schedule


class Group(NamedTuple):
    """The components that share one covariance."""

    covariance: Covariance
    index: Tensor
    means: Tensor


@dataclass(frozen=True, eq=False)
class MixtureDenoiser(Law):
    """Data sum_k w_k N(mean_k, Sigma_k).

    With responsibilities r_k proportional to w_k N(x; alpha mean_k, alpha^2 Sigma_k + sigma^2 I), every face is the average
    sum_k r_k face_k of the Gaussian faces.  Evaluated in float64 with log-sum-exp, returned in the dtype of x.  Components that share
    a covariance are evaluated together.  Sigma_k = 0 makes points (at t > 0): the law of a finite data set, for which
    :class:`~workbench.gaussian.EmpiricalDenoiser` streams.  Paper: ``wang2024gaussian``.

    Args:
        weights: (K,) positive; scaled to sum to 1.
        means: (K, \\*shape).
        covariances: a sequence of K covariances (each a Covariance, a (d, d) or (d,) tensor, or a number), a (K, d, d) tensor, or
            one of these for all.
        schedule: the noise schedule.

    Raises:
        TypeError, ValueError: for weights that are not positive and finite, or counts and dimensions that do not match.
    """

    weights: Tensor | Sequence[float | int]
    means: Tensor
    covariances: Covariance | Tensor | float | int | Sequence[Covariance | Tensor | float | int]
    schedule: Schedule
    paper = "wang2024gaussian"

    def __post_init__(self) -> None:
        check_schedule(self.schedule, "MixtureDenoiser")
        means = checked_mean(self.means, "MixtureDenoiser")
        weights = torch.as_tensor(self.weights, dtype=torch.float64).detach().cpu()
        if means.ndim < 2 or weights.shape != means.shape[:1]:
            raise ValueError(
                f"MixtureDenoiser needs weights (K,) and means (K, *shape), got {tuple(weights.shape)} and {tuple(means.shape)}"
            )
        if not bool(((weights > 0) & weights.isfinite()).all()):
            raise ValueError(f"MixtureDenoiser needs positive, finite weights, got {weights.tolist()}; leave out empty components")
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "weights", weights / weights.sum())
        object.__setattr__(self, "covariances", _each(self.covariances, len(weights), means[0].numel()))

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.means.shape[1:]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Components by covariance."""
        members: dict[int, list[int]] = {}
        for k, covariance in enumerate(self.covariances):
            members.setdefault(id(covariance), []).append(k)
        flat = self.means.flatten(1)
        return tuple(Group(self.covariances[ks[0]], lasting(torch.tensor(ks)), lasting(flat[ks])) for ks in members.values())

    def _log_joint(self, x: Tensor, t: float | Tensor) -> Tensor:
        """log w_k + log N(x; component k at time t), (batch, K); x is (batch, d) float64."""
        at, alpha = variance(self.schedule, t, axes=2), _on(columns(self.schedule.alpha(t), axes=2), x)
        out = x.new_empty(len(x), len(self.weights))
        for covariance, index, means in self.groups:
            if not bool((at(covariance.spectrum) > 0).all()):
                raise ValueError(
                    f"at t = {t} a component has no density: its covariance is singular; ask at t > 0 or give it a positive floor"
                )
            delta = x[:, None] - alpha * means.to(x.device)
            quadratic = covariance.quadratic(lambda values: 1 / at(values), delta).clamp(max=1e300)
            logdet = covariance.sum(lambda values: at(values).log()).to(x.device)
            log_weights = self.weights[index].log().to(x.device)
            out[:, index.to(x.device)] = log_weights - 0.5 * (quadratic + logdet)
        return out - 0.5 * self.dim * math.log(2 * math.pi)

    def responsibilities(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch components"]:
        """P(component k | x_t)."""
        self._check(x)
        return self._log_joint(wide(x), self._time(t, len(x))).softmax(1).to(x)

    def log_prob(self, x: Float[Tensor, "batch *shape"], t: Time = 0.0) -> Float[Tensor, "batch"]:
        """log q_t(x) in nats.

        Raises:
            ValueError: at sigma = 0 when a component is singular.
        """
        self._check(x)
        return self._log_joint(wide(x), self._time(t, len(x))).logsumexp(1).to(x)

    def _face(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        if target == "velocity" and not isinstance(t, Tensor) and t == 0 and self._singular:
            return self._at_the_data(target, x, t)
        return self._average(target, wide(x), t).view(x.shape).to(x)

    @cached_property
    def _singular(self) -> bool:
        return any(float(group.covariance.spectrum.min()) == 0 for group in self.groups)

    def _average(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        """sum_k r_k face_k; a face is linear in x - alpha mean_k, so components that share a covariance are averaged first."""
        shift, f = response(target, self.schedule, t)
        shares = self._log_joint(x, t).softmax(1)
        alpha, shift = (_on(v, x) for v in (columns(self.schedule.alpha(t)), shift))
        out = torch.zeros_like(x)
        for covariance, index, means in self.groups:
            share = shares[:, index.to(x.device)]
            center = share @ means.to(x.device)
            out += covariance.apply(f, share.sum(1, keepdim=True) * x - alpha * center) + shift * center
        return out

    def posterior_covariance(
        self, x: Float[Tensor, "batch *shape"], t: Time, vector: Float[Tensor, "batch *shape"]
    ) -> Float[Tensor, "batch *shape"]:
        """Cov[x_0 | x_t = x] times ``vector``: within the components, sum_k r_k C_k, and between them.

        No d x d matrix is made.

        Raises:
            ValueError: at sigma = 0 when a component is singular.
        """
        self._check(x)
        self._check(vector)
        t, flat, v = self._time(t, len(x)), wide(x), wide(vector)
        shares = self._log_joint(flat, t).softmax(1)
        _, f = response("data", self.schedule, t, axes=2)
        alpha = _on(columns(self.schedule.alpha(t), axes=2), flat)
        posterior = posterior_variance(self.schedule, t)
        out, means = torch.zeros_like(flat), flat.new_empty(*shares.shape, self.dim)
        for covariance, index, centers in self.groups:
            where, here = index.to(flat.device), centers.to(flat.device)
            out += shares[:, where].sum(1, keepdim=True) * covariance.apply(posterior, v)
            means[:, where] = here + covariance.apply(f, flat[:, None] - alpha * here)
        spread = means - (shares[..., None] * means).sum(1, keepdim=True)
        out += ((shares * (spread @ v[..., None])[..., 0])[..., None] * spread).sum(1)
        return out.view(x.shape).to(x)

    def component(self, k: int) -> GaussianDenoiser:
        """N(mean_k, Sigma_k) as a law of its own."""
        if not 0 <= k < len(self.weights):
            raise ValueError(f"component {k} is not there; they are numbered 0 to {len(self.weights) - 1}")
        return GaussianDenoiser(self.means[k], self.covariances[k], self.schedule)

    def given(self, condition: int | Sequence[int] | Tensor) -> Law:
        """The law of one component, or of a batch in which sample i belongs to component ``condition[i]``.

        Raises:
            ValueError: for labels that are not components.
        """
        if isinstance(condition, int) or (isinstance(condition, Tensor) and condition.ndim == 0):
            return self.component(int(condition))
        from workbench.gaussian.component import ComponentDenoiser  # needs this file first

        return ComponentDenoiser(self, condition)

    def _draw(self, n: int, t: float, generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        chosen = choose(self.weights, n, generator)
        z = normal((n, self.dim), generator, dtype, device)
        at, alpha = variance(self.schedule, t), self.schedule.alpha(t)
        draws = alpha * self.means.flatten(1)[chosen].to(z)
        for covariance, index, _ in self.groups:
            mine = torch.isin(chosen, index).to(z.device)
            draws[mine] += covariance.apply(lambda values: at(values).sqrt(), z[mine])
        return draws.view(n, *self.shape)


def choose(weights: Tensor, n: int, generator: Generators) -> Tensor:
    """n indices drawn with probabilities ``weights``, by inverting the cumulative sum: one uniform number each."""
    if isinstance(generator, torch.Generator):
        u = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64).cpu()
    else:
        u = torch.cat([torch.rand(1, generator=g, device=g.device, dtype=torch.float64).cpu() for g in generator])
    return torch.searchsorted(weights.cumsum(0), u, right=True).clamp(max=len(weights) - 1)


def _on(value: float | Tensor, x: Tensor) -> float | Tensor:
    return value.to(x.device) if isinstance(value, Tensor) else value


def _each(given, count: int, dim: int) -> tuple[Covariance, ...]:
    """One Covariance for each component; equal tensors become one object, so that they are evaluated together."""
    if isinstance(given, Tensor) and given.ndim == 3:
        given = list(given)
    if not isinstance(given, Sequence):
        return (as_covariance(given, dim),) * count
    if len(given) != count:
        raise ValueError(f"MixtureDenoiser got {len(given)} covariances for {count} components; give one each, or one for all")
    seen: list[tuple] = []
    out = []
    for one in given:
        known = next((made for raw, made in seen if _same(raw, one)), None)
        if known is None:
            seen.append((one, known := as_covariance(one, dim)))
        out.append(known)
    return tuple(out)


def _same(a, b) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())
    return a is b or (isinstance(a, float) and isinstance(b, float) and a == b)
