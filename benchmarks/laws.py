"""Laws with known answers, on which samplers are compared: noise to start from, and where the exact flow carries it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

import workbench as wb

CLEAN = 1e-7  # as a share of t_last: below this time the flow has nothing left to do


@dataclass(frozen=True)
class Problem:
    """A law on a schedule; ``answer(x, start, stop)`` is the exact flow; errors are root mean squares over ``entries`` a sample."""

    name: str
    law: wb.Denoiser
    noise: Callable[[float], Tensor]
    answer: Callable[[Tensor, float, float], Tensor]
    entries: int

    def error(self, x: Tensor, start: float, stop: float) -> float:
        """Root mean square distance to the exact answer from ``start``'s noise."""
        return rms(x - self.exact(start, stop), self.entries)

    def start(self, t: float) -> Tensor:
        """``noise(t)``, drawn once."""
        return _noise(self, t)

    def exact(self, start: float, stop: float) -> Tensor:
        """The exact answer, computed once."""
        return _exact(self, start, stop)


@cache
def _noise(problem: Problem, t: float) -> Tensor:
    return problem.noise(t)


@cache
def _exact(problem: Problem, start: float, stop: float) -> Tensor:
    return problem.answer(problem.start(start), start, stop)


def rms(gap: Tensor, entries: int) -> float:
    """Root mean square over samples and entries."""
    return float((gap.double().square().sum() / (len(gap) * entries)).sqrt())


def integrated(law: wb.Denoiser, tolerance: float, x: Tensor, start: float, stop: float) -> Tensor:
    """The exact flow of a law without a closed one; to t = 0 through times so small that nothing moves any more."""
    schedule = law.schedule
    if stop == 0 and not schedule.regular_ends:
        small = CLEAN * schedule.t_last
        x = wb.solvers.reference(law, x, start, small, rtol=tolerance, atol=tolerance).x
        return law.data(x, small)
    return wb.solvers.reference(law, x, start, stop, rtol=tolerance, atol=tolerance).x


def draw(schedule: wb.schedules.Schedule, shape: tuple[int, ...], t: float, *, seed: int = 0) -> Tensor:
    """Float64 noise of a fixed seed at the level of time t."""
    return schedule.prior(shape, t, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ring(schedule: wb.schedules.Schedule, samples: int = 256, seed: int = 0) -> Problem:
    """The ring: eight Gaussians in the plane."""
    law = wb.characters.ring(schedule)
    return Problem("ring", law, partial(draw, schedule, (samples, 2), seed=seed), partial(integrated, law, 1e-10), 2)


def guided_ring(schedule: wb.schedules.Schedule, samples: int = 256, scale: float = 4.0) -> Problem:
    """The ring's first Gaussian under classifier-free guidance away from the whole ring."""
    toy = wb.data.toys.ring
    one = wb.gaussian.GaussianDenoiser(toy.means[0], toy.covariances[0], schedule)
    law = wb.Guided(one, wb.characters.ring(schedule), scale)
    return Problem(f"guided ring, scale {scale:g}", law, partial(draw, schedule, (samples, 2)), partial(integrated, law, 1e-10), 2)


def in_eigenbasis(law: wb.gaussian.GaussianDenoiser) -> wb.gaussian.GaussianDenoiser:
    """A low-rank law in r + 2 coordinates: along its r vectors, along the rest of its mean, and along the rest of the state.

    The directions outside the vectors all have one variance, so a sampler treats them alike, and samplers commute with isometries:
    for each sample two coordinates hold what happens there, with all norms unchanged, at r + 2 numbers a step instead of d x r.
    """
    rank, spectrum = law.covariance.vectors.shape[1], law.covariance.spectrum
    mean = to_eigenbasis(law, law.mean[None])[0]
    return wb.gaussian.GaussianDenoiser(mean, torch.cat([spectrum[:rank], spectrum[-1:].expand(2)]), law.schedule)


def to_eigenbasis(law: wb.gaussian.GaussianDenoiser, x: Tensor) -> Tensor:
    """(batch, \\*shape) -> (batch, r + 2); the last coordinate is the length of what is left."""
    vectors, flat, mean = law.covariance.vectors, x.double().flatten(1), law.mean.double().flatten()
    inside = flat @ vectors
    across = torch.nn.functional.normalize(mean - vectors @ (vectors.T @ mean), dim=0)
    rest = flat - inside @ vectors.T
    along = rest @ across
    return torch.cat([inside, along[:, None], (rest - along[:, None] * across).norm(dim=1, keepdim=True)], 1)


def cifar10(schedule: wb.schedules.Schedule, rank: int | None = None, first: int = 0) -> Problem:
    """The Gaussian law of CIFAR-10 from the noise of the nine, in its eigenbasis (or in the ``rank`` leading vectors of it).

    ``first`` is the seed of the first of them; other nine are other noise of the same law.
    """
    full = wb.characters.cifar10(schedule, rank)
    law = in_eigenbasis(full)

    def noise(t: float) -> Tensor:
        return to_eigenbasis(full, wb.characters.nine(schedule, t, dtype=torch.float64, first=first))

    return Problem("CIFAR-10 Gaussian", law, noise, law.flow, full.dim)


def pictures(schedule: wb.schedules.Schedule, components: int = 10, spread: int = 24, first: int = 0) -> Problem:
    """Ten Gaussians of 3072 dimensions around the mean of CIFAR-10, each with its own low-rank covariance; from the noise of the nine.

    The eigenvectors are those of CIFAR-10.  Half of the variance along the first ``spread`` moves into the centers; along the others
    each component takes its own share, between half and one and a half of CIFAR-10's.  ``first`` as for :func:`cifar10`.
    """
    whole = cifar10(schedule, first=first)
    values, rank = whole.law.covariance.spectrum, whole.law.dim - 2
    rng = torch.Generator().manual_seed(0)
    offsets = torch.randn(components, spread, generator=rng, dtype=torch.float64) * (values[:spread] / 2).sqrt()
    shares = 0.5 + torch.rand(components, rank, generator=rng, dtype=torch.float64)
    shares[:, :spread] = 0.5
    means, variances = whole.law.mean.expand(components, -1).clone(), values.expand(components, -1).clone()
    means[:, :spread] += offsets - offsets.mean(0)
    variances[:, :rank] *= shares
    law = wb.gaussian.MixtureDenoiser([1.0] * components, means, list(variances), schedule)
    return Problem("ten Gaussians in 3072 dimensions", law, whole.noise, partial(integrated, law, 1e-8), whole.entries)
