"""Is A better than B, or luckier?  Intervals for a mean, differences on the same noise, and how many seeds it takes."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.metrics.clouds import Estimate


class Interval(NamedTuple):
    """A value and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def confidence_interval(
    values: Float[Tensor, " n"], level: float = 0.95, *, resamples: int = 0, generator: torch.Generator | None = None
) -> Interval:
    """The mean of independent values, with Student's interval  mean +- t s / sqrt(n),  t of n - 1 degrees of freedom.

    It covers the true mean with probability ``level`` exactly for normal values, and nearly for others once n is large.  With
    ``resamples`` it is the percentile bootstrap instead: quantiles of the means of that many samples of n drawn with replacement,
    which follows a skew but is too short for small n.  Papers: ``student1908mean``, ``efron1979bootstrap``.

    Raises:
        ValueError: for fewer than two values, values that are not finite, a level outside (0, 1), or resamples without generator.
    """
    x = _values(values)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; needs a probability between 0 and 1, such as 0.95")
    n, mean = len(x), float(x.mean())
    if resamples:
        if generator is None or resamples < 2:
            raise ValueError(f"resamples={resamples} needs to be at least 2, with a generator to draw them from")
        means = x[torch.randint(n, (resamples, n), generator=generator)].mean(1)
        ends = torch.quantile(means, torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64))
        return Interval(mean, float(ends[0]), float(ends[1]))
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(x.std()) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_difference(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> Estimate:
    """The mean of a_i - b_i and its standard error, where a_i and b_i were made from the same noise (seed, image, class) i.

    Var(a - b) = Var a + Var b - 2 Cov(a, b): what the noise does to both alike cancels.

    Raises:
        ValueError: for unequal or fewer than two values, or values that are not finite.
    """
    x, y = _values(a), _values(b)
    if x.shape != y.shape:
        raise ValueError(f"got {len(x)} and {len(y)} values; pairs need as many of each, made from the same noise")
    difference = x - y
    return Estimate(float(difference.mean()), float(difference.std()) / math.sqrt(len(x)))


def seeds_needed(effect: float, spread: float, *, correlation: float = 0.0, level: float = 0.95, power: float = 0.8) -> int:
    """How many seeds each of two methods needs to tell a difference ``effect`` of their means, ``spread`` the deviation of one run.

    n = 2 (1 - correlation) (z_level + z_power)^2 spread^2 / effect^2, rounded up, from the normal approximation: two-sided at
    ``level``, found with probability ``power``.  ``correlation`` is that of the two methods' results on the same seed, 0 for
    unpaired runs.  At least 2.  For n below about 10 Student's quantiles ask for one or two seeds more.

    Raises:
        ValueError: for an effect or spread that is not positive, a correlation of 1 or beyond, or probabilities outside (0, 1).
    """
    if not (effect > 0 and spread > 0 and -1 <= correlation < 1):
        raise ValueError(
            f"got effect={effect}, spread={spread}, correlation={correlation}; needs effect, spread > 0, -1 <= correlation < 1"
        )
    if not (0 < level < 1 and 0 < power < 1):
        raise ValueError(f"got level={level}, power={power}; needs probabilities between 0 and 1")
    from scipy.special import ndtri

    quantiles = float(ndtri((1 + level) / 2) + ndtri(power))
    return max(2, math.ceil(2 * (1 - correlation) * (quantiles * spread / effect) ** 2))


def _values(values: Tensor) -> Tensor:
    x = torch.as_tensor(values).detach().cpu().double()
    if x.ndim != 1 or len(x) < 2 or not bool(x.isfinite().all()):
        raise ValueError(f"got values of shape {tuple(x.shape)}; needs (n,) with n >= 2, all finite")
    return x
