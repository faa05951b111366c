"""The exact laws that the checks measure against: a one-dimensional mixture of Gaussians with its exact flow, and one Gaussian."""

import math

import torch
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.schedules import Schedule

MIXTURE = ((0.4, 0.6), (-1.5, 1.0), (0.6, 0.8))
"""Weights, means and standard deviations of the law that checks measure on unless they are told another."""


class CheckMixture(Denoiser):
    """Every coordinate is an independent draw from sum_k w_k N(m_k, s_k^2).

    Predicts the noise, sum_k P(k | x) sigma (x - alpha m_k) / (alpha^2 s_k^2 + sigma^2), which is free of cancellation.
    """

    predicts = "noise"

    def __init__(self, schedule: Schedule, law: tuple | None = None) -> None:
        self.schedule = schedule
        parts = MIXTURE if law is None else law
        self.weights, self.means, self.stds = (torch.tensor(part, dtype=torch.float64) for part in parts)

    def _components(self, t) -> tuple[float | Tensor, Tensor, Tensor]:
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return sigma, alpha * self.means, ((alpha * self.stds) ** 2 + sigma**2).sqrt()

    def predict(self, x: Tensor, t) -> Tensor:
        """The noise, for a float t or one t for each row of x of shape (batch, d)."""
        if isinstance(t, Tensor):
            return torch.cat([self.predict(x[i : i + 1], float(t[i])) for i in range(len(x))])
        sigma, means, widths = self._components(t)
        off = (x.to(torch.float64).unsqueeze(-1) - means) / widths
        chance = torch.softmax(self.weights.log() - widths.log() - 0.5 * off**2, dim=-1)
        return (chance * off * (sigma / widths)).sum(-1).to(x.dtype)

    def spread(self, t: float) -> Tensor:
        """Five states (5, 1) in the bulk of the law at time t."""
        _, means, widths = self._components(t)
        middle = float((self.weights * means).sum())
        width = math.sqrt(float((self.weights * (widths**2 + (means - middle) ** 2)).sum()))
        return middle + width * torch.tensor([[-1.7], [-0.6], [0.1], [0.8], [1.9]], dtype=torch.float64)

    def cumulative(self, x: Tensor, t: float) -> Tensor:
        """P(x_t <= x), per coordinate."""
        _, means, widths = self._components(t)
        return (self.weights * torch.special.ndtr((x.unsqueeze(-1) - means) / widths)).sum(-1)

    def flow(self, x: Tensor, t: float, s: float) -> Tensor:
        """The probability flow from t to s: in one dimension it keeps P(x_t <= x), found here by bisection."""
        level = self.cumulative(x, t)
        _, means, widths = self._components(s)
        low = torch.full_like(x, float((means - 40 * widths).min()))
        high = torch.full_like(x, float((means + 40 * widths).max()))
        for _ in range(200):
            middle = 0.5 * (low + high)
            below = self.cumulative(middle, s) < level
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return 0.5 * (low + high)


class CheckNormal(Denoiser):
    """Every coordinate is an independent draw from N(mean, std^2): the noise is affine in x, and quick to predict."""

    predicts = "noise"

    def __init__(self, schedule: Schedule, mean: float, std: float) -> None:
        self.schedule, self.mean, self.std = schedule, mean, std

    def predict(self, x: Tensor, t) -> Tensor:
        """sigma (x - alpha mean) / (alpha^2 std^2 + sigma^2), for a float t or one t for each row of x of shape (batch, d)."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        if isinstance(t, Tensor):
            alpha, sigma = alpha.unsqueeze(-1), sigma.unsqueeze(-1)
        return sigma / ((alpha * self.std) ** 2 + sigma**2) * (x - alpha * self.mean)
