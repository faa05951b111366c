"""Far above the data every law looks like one Gaussian: how closely, from its third and fourth cumulants."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.gaussian.gaussian import GaussianDenoiser


class FarField(NamedTuple):
    """The leading parts of 1 - EV of the score: ``skewness`` falls as rho^-6 and ``kurtosis`` as rho^-8; they add."""

    skewness: float
    kurtosis: float

    @property
    def total(self) -> float:
        """skewness + kurtosis."""
        return self.skewness + self.kurtosis


def far_field(law: GaussianDenoiser, x0: Float[Tensor, "samples *shape"], t: float | int, *, whole: bool = False) -> FarField:
    r"""How much of the score of the data's law the Gaussian with its mean and covariance leaves unexplained at high noise.

    With rho = sigma / alpha and kappa_n the n-th cumulant tensor of the data, to leading order in 1 / rho

        1 - EV = |kappa_3|^2 / (2 d rho^6) + |kappa_4|^2 / (6 d rho^8),

    because :math:`\log q = \log q_{Gauss} + \kappa_3 \cdot He_3 / 6 + \kappa_4 \cdot He_4 / 24` in the noise's own units (Edgeworth's
    expansion).  Here the norms are taken in the metric of the noisy Gaussian, W = (Sigma + rho^2 I)^-1 for every index and once more
    for the index of the score, and d / rho^2 is tr W: the same limit, and useful much closer to the data.  No network, no tensor of
    third order: :math:`|\kappa_3|^2 = E (x \cdot x')^3` over pairs of independent samples.

    Args:
        law: mean and covariance of the data, e.g. ``GaussianDenoiser.fit(x0, schedule)``.
        x0: samples of the data, (samples, \*shape), at least two.  Costs a (samples, samples) matrix.
        t: one time of the law's schedule with alpha > 0.
        whole: the samples are not draws but the whole law (a finite data set): then a sample is also paired with itself.

    Raises:
        ValueError: for fewer than two samples, samples shaped otherwise than the law's, or alpha = 0.
    """
    if x0.ndim < 2 or x0.shape[1:] != law.shape or len(x0) < 2:
        raise ValueError(f"far_field needs at least two samples (samples, {', '.join(map(str, law.shape))}), got {tuple(x0.shape)}")
    alpha, sigma = law.schedule.alpha(float(t)), law.schedule.sigma(float(t))
    if alpha == 0:
        raise ValueError(f"at t = {t} nothing of the data is left (alpha = 0), so there is nothing to explain; ask below t_max")
    x = (x0.detach().to("cpu", torch.float64) - law.mean).flatten(1)
    noise = (sigma / alpha) ** 2

    def metric(power: int, order: int = 0):
        return lambda values: values**order / (values + noise) ** power

    cov, n = law.covariance, len(x)
    once, twice = x @ cov.apply(metric(1), x).T, x @ cov.apply(metric(2), x).T
    size = cov.sum(metric(1))
    third, fourth = (_mean_over_pairs(twice * once**power, whole) for power in (2, 3))
    crossed = (cov.quadratic(metric(3, 1), x) * cov.quadratic(metric(2, 1), x)).sum() / n
    gauss = 3 * cov.sum(metric(3, 2)) * cov.sum(metric(2, 2)) + 6 * cov.sum(metric(5, 4))
    return FarField(float(third / (2 * size)), float((fourth - 6 * crossed + gauss) / (6 * size)))


def _mean_over_pairs(products: Tensor, whole: bool) -> Tensor:
    n = len(products)
    return products.mean() if whole else (products.sum() - products.diagonal().sum()) / (n * (n - 1))
