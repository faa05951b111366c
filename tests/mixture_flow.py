"""The probability flow of the mixture T1 by an independent integrator, in numpy, and the spans on which orders are measured."""

import functools
import math

import numpy as np
import torch
from helpers import T1, levels
from scipy.integrate import solve_ivp

from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified


def textbook_slope(schedule, x: np.ndarray, clock: float) -> np.ndarray:
    """d(x / alpha)/dlambda = -(sigma / alpha) noise for the mixture T1, in numpy; rho = exp(-lambda), so alpha drops out."""
    rho = math.exp(-clock)
    weights, means, stds = (np.array(part) for part in T1)
    variance = stds**2 + rho**2
    off = x[:, None] - means
    chance = weights / np.sqrt(variance) * np.exp(-0.5 * off**2 / variance)
    chance /= chance.sum(1, keepdims=True)
    return -rho * (chance * rho / variance * off).sum(1)


def truth(schedule, x: torch.Tensor, start: float, stop: float) -> torch.Tensor:
    return torch.tensor(path_end(schedule, tuple(x[:, 0].tolist()), start, stop), dtype=torch.float64)[:, None]


@functools.cache
def path_end(schedule, x: tuple[float, ...], start: float, stop: float) -> list[float]:
    """Integrated once for all the methods that are measured against it."""
    (a, b), (c, d) = levels(schedule, start), levels(schedule, stop)
    run = solve_ivp(
        lambda clock, y: textbook_slope(schedule, y, clock),
        (math.log(a / b), math.log(c / d)),
        np.array(x) / a,
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    return (run.y[:, -1] * c).tolist()


def start_of(schedule, t: float) -> torch.Tensor:
    alpha, sigma = levels(schedule, t)
    return math.hypot(alpha, sigma) * torch.tensor([[-1.7], [-0.6], [0.1], [0.8], [1.9]], dtype=torch.float64)


SPANS = [(VP(), 1.0, 1e-2), (VE(), 20.0, 5e-2), (Rectified(), 0.99, 2e-2), (Cosine(), 0.99, 2e-2), (DiscreteVP.linear(), 1.0, 1e-2)]
