"""Gaussian data coupled to Gaussian noise: every velocity, loss floor and straightness of a reflow in closed form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time, at_least_single, per_sample
from workbench.draws import Generators, check_generators, normal
from workbench.gaussian.covariance import Covariance
from workbench.gaussian.gaussian import GaussianDenoiser, checked_mean
from workbench.schedules import Rectified, Schedule


@dataclass(frozen=True, eq=False)
class GaussianCoupling(Denoiser):
    """Data x_0 ~ N(mean, Sigma) and noise z ~ N(0, I), jointly Gaussian with Cov[x_0, z] = R Sigma^(1/2), R in Sigma's eigenbasis.

    Along an eigenvector with eigenvalue L and correlation r, the line x_t = (1 - t) x_0 + t z has the variance
    w(t)^2 = (1 - t)^2 L + 2 t (1 - t) r sqrt(L) + t^2, and

        velocity  E[z - x_0 | x_t] = -mean + (w'/w) (x_t - (1 - t) mean)
        flow      x_s = (1 - s) mean + (w(s)/w(t)) (x_t - (1 - t) mean)
        floor     Var[z - x_0 | x_t] = 1 + L - 2 r sqrt(L) - w'^2,  which no velocity's loss gets below.

    r = 0 is the independent coupling that flow matching starts from; r = 1 is where one reflow takes it: w is a line, the paths are
    straight, the floor is 0.  For any other law with these first and second moments this is the best *affine* velocity.
    Papers: ``liu2023rectified``, ``lee2024rfpp``.

    ``score`` is that of the law of x_t; it is *not* minus the noise over t unless r = 0, for only then is Tweedie's formula true.

    Args:
        mean: of the data, of any sample shape.
        covariance: as for :class:`GaussianDenoiser`.
        correlation: r, a number in [-1, 1] or one for each slot of the covariance's spectrum.

    Raises:
        TypeError, ValueError: as :class:`GaussianDenoiser`, and for correlations outside [-1, 1] or of another number.
    """

    mean: Tensor
    covariance: Covariance | Tensor | float | int
    correlation: Tensor | float | int = 0.0
    schedule: Schedule = Rectified()
    predicts = "velocity"
    paper = "liu2023rectified"

    def __post_init__(self) -> None:
        law = GaussianDenoiser(checked_mean(self.mean, "GaussianCoupling"), self.covariance, self.schedule)
        if not isinstance(self.schedule, Rectified):
            raise ValueError(f"GaussianCoupling lives on the straight lines of Rectified(), got {type(self.schedule).__name__}")
        slots = law.covariance.spectrum
        r = torch.as_tensor(self.correlation, dtype=torch.float64, device="cpu")
        if r.ndim == 0:
            r = r.expand_as(slots).clone()
        if r.shape != slots.shape or not bool((r.abs() <= 1).all()):
            raise ValueError(
                f"correlation has shape {tuple(r.shape)} and entries in [{float(r.min()):.3g}, {float(r.max()):.3g}]; it needs to be "
                f"a number in [-1, 1] or {tuple(slots.shape)} of them, one for each slot of the spectrum"
            )
        for name, value in (("mean", law.mean), ("covariance", law.covariance), ("correlation", r)):
            object.__setattr__(self, name, value)

    @classmethod
    def fit(
        cls, x0: Float[Tensor, "n *shape"], noise: Float[Tensor, "n *shape"], covariance: Covariance | None = None
    ) -> "GaussianCoupling":
        """Mean, variances and correlations of pairs, along the eigenvectors of ``covariance`` (of the data itself by default).

        Raises:
            ValueError, TypeError: for fewer than two pairs, or noise of another shape than the data.
        """
        if x0.shape != noise.shape or len(x0) < 2:
            raise ValueError(
                f"got data {tuple(x0.shape)} and noise {tuple(noise.shape)}; two or more pairs of one shape are needed"
            )
        law = GaussianDenoiser.fit(x0.double(), Rectified())
        basis = law.covariance if covariance is None else covariance
        data, other = (x0.double() - law.mean).flatten(1), noise.double().flatten(1)
        other = other - other.mean(0)
        variances, products = (_means(basis, data, second) for second in (data, other))
        spreads = _means(basis, other, other)
        scale = (variances * spreads).sqrt()
        r = torch.where(scale > 0, products / scale, 0.0).clamp(-1, 1)
        return cls(law.mean, basis.map(lambda _: variances), r)

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.mean.shape

    @property
    def dim(self) -> int:
        """d, the number of entries of a sample."""
        return self.mean.numel()

    @cached_property
    def _quadratic(self) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, C of w^2 = A t^2 + B t + C, for each slot."""
        values, shared = self.covariance.spectrum, self.correlation * self.covariance.spectrum.sqrt()
        return 1 + values - 2 * shared, 2 * (shared - values), values

    def variance(self, t: float | Tensor) -> Tensor:
        """w(t)^2 for each slot, (slots,) or (batch, slots)."""
        a, b, c = self._quadratic
        t = t.unsqueeze(-1) if isinstance(t, Tensor) else t
        return (a * t + b) * t + c

    def _slope(self, t: float | Tensor) -> Tensor:
        """w w', half the derivative of w^2."""
        a, b, _ = self._quadratic
        return a * (t.unsqueeze(-1) if isinstance(t, Tensor) else t) + b / 2

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """E[z - x_0 | x_t] = -mean + (w'/w) (x_t - (1 - t) mean)."""
        variance = self.variance(t := as_time(t, len(x)))
        weights = torch.where(variance > 0, self._slope(t) / variance.clamp(min=1e-300), 0.0)
        work = at_least_single(x)
        return (self._weighed(weights, work, t) - self.mean.to(work)).to(x.dtype)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """The score from the law of x_t; every other face from the velocity, also where t = 0."""
        if target == "velocity":
            return self.predict(x, t)
        if target != "score":
            return super().face(target, x, t)
        variance = self.variance(t := as_time(t, len(x)))
        if not bool((variance > 0).all()):
            raise ValueError(f"x_t has no variance in some direction at t = {t}, so there is no score; ask at another time")
        return self._weighed(-1 / variance, at_least_single(x), t).to(x.dtype)

    def flow(self, x: Float[Tensor, "batch *shape"], t: float | int, s: float | int | Sequence[float | int] | Tensor) -> Tensor:
        """Where the flow carries x_t by time s, exactly; for a grid as s the trajectory (points, batch, \\*shape).

        Raises:
            ValueError: for a start in a direction without variance there (nothing to expand).
        """
        if isinstance(s, Sequence) or (isinstance(s, Tensor) and s.ndim == 1):
            return torch.stack([self.flow(x, t, float(one)) for one in s])
        before, after = self.variance(float(t)), self.variance(float(s))
        if bool(((before == 0) & (after > 0)).any()):
            raise ValueError(
                f"x_t has no variance in some direction at t = {t}, and nothing flows from there; start at another time"
            )
        weights = torch.where(before > 0, (after / before.clamp(min=1e-300)).sqrt(), 0.0)
        work = at_least_single(x)
        return self._weighed(weights, work, float(t)).add_(self.mean.to(work), alpha=1 - float(s)).to(x.dtype)

    def floor(self, t: Time) -> float | Tensor:
        """E|z - x_0 - velocity|^2, summed over dimensions: the loss of the best velocity; a float, or (batch,) for (batch,) times."""
        t = as_time(t, len(t) if isinstance(t, Tensor) and t.ndim else 1)
        total = self.covariance.sum(lambda _: self._remaining(t))
        return total if isinstance(t, Tensor) else float(total)

    def _remaining(self, t: float | Tensor) -> Tensor:
        a, variance = self._quadratic[0], self.variance(t)
        moved = torch.where(variance > 0, self._slope(t).square() / variance.clamp(min=1e-300), a)
        return (a - moved).clamp(min=0)

    def kinetic_energy(self) -> float:
        """The integral of E|velocity(x_t, t)|^2 over t: what the flow spends; the transport cost minus the mean of the floor."""
        return self.straightness() + self.endpoint_distance()

    def straightness(self) -> float:
        """The integral of E|(Z_1 - Z_0) - velocity(Z_t, t)|^2 along the flow:  sum sqrt(L) (2 (1 - r) - sqrt(1 - r^2) arccos r).

        0 for r = 1, where one Euler step is exact; (2 - pi/2) tr Sigma^(1/2) for r = 0.
        """
        r = self.correlation
        bend = 2 * (1 - r) - (1 - r * r).sqrt() * r.arccos()
        return float(self.covariance.sum(lambda values: values.sqrt() * bend).clamp(min=0))

    def transport_cost(self) -> float:
        """E|z - x_0|^2 = |mean|^2 + sum (1 + L - 2 r sqrt(L)) of the coupling itself."""
        return float(self.mean.square().sum() + self.covariance.sum(lambda _: self._quadratic[0]))

    def endpoint_distance(self) -> float:
        """E|Z_1 - Z_0|^2 along the flow, |mean|^2 + sum (1 - sqrt(L))^2: the least cost that any coupling has, whatever r."""
        return float(self.mean.square().sum() + self.covariance.sum(lambda values: (1 - values.sqrt()).square()))

    def rectified(self) -> "GaussianCoupling":
        """The coupling of the flow's two ends, r = 1: after one reflow."""
        return GaussianCoupling(self.mean, self.covariance, 1.0)

    def sample(self, n: int, *, generator: Generators, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """n pairs (x_0, z), each (n, \\*shape)."""
        check_generators(generator, n, "sample")
        z = normal((n, self.dim), generator, dtype, "cpu")
        own = normal((n, self.dim), generator, dtype, "cpu")
        r, root = self.correlation, self.covariance.spectrum.sqrt()
        x0 = self.covariance.weigh(r * root, z) + self.covariance.weigh((1 - r * r).sqrt() * root, own)
        return x0.view(n, *self.shape) + self.mean.to(dtype), z.view(n, *self.shape)

    def _weighed(self, weights: Tensor, x: Tensor, t: float | Tensor) -> Tensor:
        alpha = per_sample(1 - t, x)
        return self.covariance.weigh(weights, (x - alpha * self.mean.to(x)).flatten(1)).view(x.shape)


def _means(basis: Covariance, one: Tensor, other: Tensor) -> Tensor:
    """The mean of the product of coordinates along each slot's eigenvectors; over the directions too where a slot has several."""
    product = (one * other).mean(0) if basis.vectors is None else ((one @ basis.vectors) * (other @ basis.vectors)).mean(0)
    if not basis.has_floor:
        return product
    rest = ((one * other).mean(0).sum() - product.sum()) / math.prod(basis.multiplicity[-1:].tolist())
    return torch.cat([product, rest[None]])
