"""Pairs that come in K kinds: an exact bridge denoiser for mixtures, and for a finite set of pairs."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.pairs import Pairs, check_end, check_pinned
from workbench.bridges.pinned import Pinned
from workbench.denoiser import Denoiser, Time, as_time, per_sample
from workbench.draws import Generators, check_generators, normal
from workbench.gaussian.law import wide
from workbench.gaussian.mixture import choose
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class MixturePairs(Pairs):
    """A kind k, uniform on K; then x_0 ~ N(start_k, spread^2 I) and x_T ~ N(end_k, width^2 I), independent given k.

    spread = 0 is a finite set of clean samples, each with a noisy degraded one.  Given x_T, the kinds have the weights
    softmax_k(-|x_T - end_k|^2 / (2 width^2)).

    Args:
        starts, ends: (K, \\*shape), floating-point.
        spread: standard deviation of x_0 within a kind, 0 or more.
        width: that of x_T, positive.
        schedule: the bridge.

    Raises:
        TypeError, ValueError: for a schedule that is no bridge's, centers that are not finite or not of one shape, or other deviations.
    """

    starts: Tensor
    ends: Tensor
    spread: float
    width: float
    schedule: Pinned

    def __post_init__(self) -> None:
        check_pinned(self.schedule, "MixturePairs")
        if self.starts.shape != self.ends.shape or self.starts.ndim < 2 or not len(self.starts):
            raise ValueError(
                f"starts {tuple(self.starts.shape)} and ends {tuple(self.ends.shape)} must both be (K, *shape), K >= 1"
            )
        if not bool(self.starts.isfinite().all() and self.ends.isfinite().all()):
            raise ValueError("MixturePairs needs finite centers, got some that are infinite or NaN")
        if not 0 <= self.spread < math.inf or not 0 < self.width < math.inf:
            raise ValueError(f"MixturePairs needs spread >= 0 and width > 0, finite; got {self.spread} and {self.width}")

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.starts.shape[1:]

    def given(self, end: Float[Tensor, "batch *shape"]) -> "PairedMixture":
        """The exact denoiser of x_0 given these end points."""
        check_end(end, self.shape)
        return PairedMixture(self, (-0.5 * _squares(wide(end), wide(self.ends)) / self.width**2).log_softmax(1))

    def sample(self, n: int, *, generator: Generators, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """n pairs (x_0, x_T), each (n, \\*shape)."""
        check_generators(generator, n, "sample")
        kind = choose(torch.full((len(self.starts),), 1 / len(self.starts), dtype=torch.float64), n, generator)
        z = normal((n, 2, *self.shape), generator, dtype, "cpu")
        return self.starts.to(dtype)[kind] + self.spread * z[:, 0], self.ends.to(dtype)[kind] + self.width * z[:, 1]


@dataclass(frozen=True, eq=False)
class PairedMixture(Denoiser):
    """The law of x_0 given end points: a mixture of the same K centers, with other weights for each sample.

    With v = alpha^2 spread^2 + sigma^2 and p_k the weights given x_T and y_t,

        data = sum_k p_k (sigma^2 start_k + alpha spread^2 y) / v,     p_k = softmax_k(log weight_k - |y - alpha start_k|^2 / (2 v)).

    Args:
        pairs: the joint law.
        log_weights: (batch, K), float64.
    """

    pairs: MixturePairs
    log_weights: Tensor
    predicts = "data"

    @property
    def schedule(self) -> Schedule:
        """The bridge."""
        return self.pairs.schedule

    def kinds(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch kinds"]:
        """p_k, the probability of each kind given x_T and y_t, in float64."""
        if len(x) != len(self.log_weights):
            raise ValueError(f"got {len(x)} samples, but this denoiser is bound to {len(self.log_weights)} end points")
        t, flat = as_time(t, len(x)), wide(x)
        alpha, variance = per_sample(self.schedule.alpha(t), flat), self._variance(t, flat)
        distance = _squares(flat, wide(self.pairs.starts), alpha)
        return (self.log_weights - 0.5 * distance / variance).softmax(1)

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """E[x_0 | x_T, y_t], evaluated in float64."""
        t, flat = as_time(t, len(x)), wide(x)
        mean = self.kinds(x, t) @ wide(self.pairs.starts)
        if self.pairs.spread:
            alpha, variance = per_sample(self.schedule.alpha(t), flat), self._variance(t, flat)
            mean = mean + alpha * self.pairs.spread**2 / variance * (flat - alpha * mean)
        return mean.view(x.shape).to(x)

    def _variance(self, t: float | Tensor, flat: Tensor) -> float | Tensor:
        alpha, sigma = per_sample(self.schedule.alpha(t), flat), per_sample(self.schedule.sigma(t), flat)
        return alpha * alpha * self.pairs.spread**2 + sigma * sigma


def _squares(x: Tensor, centers: Tensor, alpha: float | Tensor = 1.0) -> Tensor:
    """|x_i - alpha c_k|^2 up to a term that k does not change, (batch, K)."""
    middle = centers.mean(0)
    centers = centers - middle
    return alpha * alpha * centers.square().sum(1) - 2 * alpha * ((x - alpha * middle) @ centers.T)
