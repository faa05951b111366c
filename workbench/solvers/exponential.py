"""Exponential integration: solve the linear half of the flow exactly, and expand only the model's answer.

With lambda = log(alpha / sigma) as time, h = lambda_s - lambda_t and the answer's derivatives m^(k) in lambda at t, variation of
constants gives the exact solution of the probability-flow ODE,

    data:   x_s = (sigma_s / sigma_t) x_t + alpha_s sum_k h^(k+1) phi_{k+1}(-h) m^(k)
    noise:  x_s = (alpha_s / alpha_t) x_t - sigma_s sum_k h^(k+1) phi_{k+1}(h)  m^(k)

where phi_k(z) = (e^z - sum_{j<k} z^j / j!) / z^k.  The reverse SDE with noise of strength tau has the same form with 1 + tau^2 in
place of 1.  Every solver of this family differs from the next only in how it estimates the derivatives.

Book: ``solvers/exponential``.  Papers: ``lu2022dpmsolver``, ``lu2022dpmpp``; with noise ``xue2023sasolver``.
"""

import math
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from workbench.schedules import Schedule

Face = Literal["data", "noise"]
SERIES = 20  # the highest power in a Taylor series: enough for |z| < 1.5 in float64


def check_face(face: str) -> None:
    """Raise ValueError unless ``face`` is a prediction that an exponential integrator can hold on to."""
    if face not in ("data", "noise"):
        raise ValueError(f"face must be 'data' or 'noise' (what is extrapolated), got {face!r}")


def phi(k: int, z):
    """phi_k(z) = (e^z - sum_{j<k} z^j / j!) / z^k, a float for a float and a float64 tensor for a tensor; phi_k(0) = 1 / k!.

    Raises:
        ValueError: for a negative k.
    """
    if k < 0:
        raise ValueError(f"phi_k needs k >= 0, got {k}")
    return phis(k, z)[k]


def phis(last: int, z) -> tuple:
    """phi_0(z), ..., phi_last(z) without losing digits.

    Near 0 the last one by its Taylor series, the others by phi_k = z phi_{k+1} + 1 / k!; elsewhere the first two by exp and expm1,
    the others by the same recurrence upward.
    """
    if isinstance(z, Tensor):
        z = z.to(torch.float64)
        near = z.abs() < 1.5
        down, up = _downward(last, torch.where(near, z, 0.0)), _upward(last, torch.where(near, 2.0, z), torch)
        return tuple(torch.where(near, *pair) for pair in zip(down, up, strict=True))
    return _downward(last, z) if abs(z) < 1.5 else _upward(last, z, math)


@cache
def _shares(last: int) -> tuple[float, ...]:
    """1 / j!, from the highest power of the series of phi_last down to 1 / 0!."""
    return tuple(1 / math.factorial(j) for j in range(last + SERIES, -1, -1))


def _downward(last: int, z) -> tuple:
    total, values = 0.0 * z, []
    for j, share in enumerate(_shares(last)):  # Horner's scheme for phi_last, whose every further line is the recurrence
        total = total * z + share
        if j >= SERIES:
            values.append(total)
    return tuple(values[::-1])


def _upward(last: int, z, m) -> tuple:
    values = [m.exp(z), m.expm1(z) / z]
    for k in range(1, last):
        values.append((values[-1] - 1 / math.factorial(k)) / z)
    return tuple(values[: last + 1])


class Exact(NamedTuple):
    """x_s = x * x_t + sum_k derivatives[k] * (d/dlambda)^k answer + noise * z (float64)."""

    x: float
    derivatives: tuple[float, ...]
    noise: float


def exact_step(schedule: Schedule, t, s, face: Face, terms: int, tau: float = 0.0) -> Exact:
    """The weights of the exact solution from t to s, by derivatives of the model's answer in lambda at t.

    Args:
        schedule: the noise schedule.
        t, s: two times with alpha, sigma > 0; floats, or (batch,) tensors for tensors of weights.
        face: which answer is expanded.
        terms: how many derivatives, the zeroth included.
        tau: strength of the noise: 0 the probability flow, 1 the reverse SDE of DDPM.
    """
    m = torch if isinstance(t, Tensor) else math
    h, rate = schedule.log_snr(s) - schedule.log_snr(t), 1 + tau * tau
    fresh = -m.expm1(-2 * tau * tau * h) if face == "data" else tau * tau * m.expm1(2 * h)
    if face == "data":
        carried = schedule.sigma(s) / schedule.sigma(t) * (m.exp(-tau * tau * h) if tau else 1.0)
        scale, z = rate * schedule.alpha(s), -rate * h
    else:
        carried = schedule.alpha(s) / schedule.alpha(t)
        scale, z = -rate * schedule.sigma(s), h
    derivatives = tuple(scale * h ** (k + 1) * value for k, value in enumerate(phis(terms, z)[1:]))
    return Exact(carried, derivatives, schedule.sigma(s) * m.sqrt(fresh) if tau else 0.0)
