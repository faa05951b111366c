"""The four faces of a Gaussian: each is  shift * mean + f(Sigma) (x - alpha mean)  for its own scalar f.

With v(lambda) = alpha^2 lambda + sigma^2, the variance of x_t along an eigenvector:

    data      1       alpha lambda / v                                  (the Wiener filter)
    noise     0       sigma / v
    score     0       -1 / v
    velocity  alpha'  (alpha alpha' lambda + sigma sigma') / v  =  1/2 d log v / dt

Each is used as it stands; none is converted from another.  Paper: ``wang2024gaussian``.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from workbench.denoiser import FACES
from workbench.schedules import Schedule

_TO_ZERO = 1e-30


def columns(value: float | Tensor, axes: int = 1) -> float | Tensor:
    """A float as it is; a (batch,) tensor with ``axes`` trailing axes of length 1."""
    return value.view(-1, *[1] * axes) if isinstance(value, Tensor) else value


def variance(schedule: Schedule, t: float | Tensor, axes: int = 1) -> Callable[[Tensor], Tensor]:
    """lambda -> alpha^2 lambda + sigma^2, the eigenvalues of the law of x_t."""
    alpha, sigma = columns(schedule.alpha(t), axes), columns(schedule.sigma(t), axes)
    return lambda values: alpha * alpha * values + sigma * sigma


def posterior_variance(schedule: Schedule, t: float | Tensor) -> Callable[[Tensor], Tensor]:
    """lambda -> lambda sigma^2 / (alpha^2 lambda + sigma^2), the eigenvalues of Cov[x_0 | x_t]; 0 where lambda is."""
    at, sigma = variance(schedule, t), columns(schedule.sigma(t))
    return lambda values: torch.where(values == 0, 0.0, values * (sigma * sigma) / at(values))


def sigma_d_sigma(schedule: Schedule, t: float | Tensor) -> float | Tensor:
    """sigma sigma' = 1/2 d sigma^2 / dt: finite at t = 0 even where sigma' is not, and there the limit from the right."""
    if not math.isfinite(schedule.d_sigma(0.0)):
        least = _TO_ZERO * schedule.t_last
        t = t.clamp(min=least) if isinstance(t, Tensor) else max(t, least)
    return schedule.sigma(t) * schedule.d_sigma(t)


def response(face: str, schedule: Schedule, t: float | Tensor, axes: int = 1) -> tuple[float | Tensor, Callable[[Tensor], Tensor]]:
    """The shift and the function f of one face at time t (a float, or (batch,) with weights for each sample).

    Raises:
        ValueError: for an unknown face; from f, where a variance of x_t is 0 (sigma = 0 and an eigenvalue 0) and the face infinite.
    """
    if face not in FACES:
        raise ValueError(f"face={face!r} is not a face of a model; it is one of {', '.join(FACES)}")
    alpha, sigma = columns(schedule.alpha(t), axes), columns(schedule.sigma(t), axes)
    speed = columns(schedule.d_alpha(t), axes) if face == "velocity" else 0.0
    gain = columns(sigma_d_sigma(schedule, t), axes) if face == "velocity" else 0.0

    def f(values: Tensor) -> Tensor:
        total = alpha * alpha * values + sigma * sigma
        if face == "data":
            weights = alpha * values / total
        elif face == "noise":
            weights = sigma / total
        elif face == "score":
            weights = -1 / total
        else:
            weights = (speed * alpha * values + gain) / total
        point = total == 0  # a direction without variance, at sigma = 0
        if bool(point.any()):
            if face == "data":
                weights = torch.where(point, 1 / torch.as_tensor(alpha, dtype=torch.float64), weights)
            elif face == "velocity" and math.isfinite(schedule.d_sigma(0.0)):
                weights = torch.where(point, speed / torch.as_tensor(alpha, dtype=torch.float64), weights)
        if not bool(weights.isfinite().all()):
            raise ValueError(
                f"{face} is infinite at t = {t} of {type(schedule).__name__}: the covariance has an eigenvalue 0 and so has the noise; "
                f"stop at t_last = {schedule.t_last}, or give the covariance a positive floor"
            )
        return weights

    return {"data": 1.0, "velocity": speed}.get(face, 0.0), f
