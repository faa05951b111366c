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
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from workbench.schedules import Schedule

Face = Literal["data", "noise"]
SERIES = 22  # terms of the Taylor series: enough for |z| < 1.5 in float64


def check_face(face: str) -> None:
    """Raise ValueError unless ``face`` is a prediction that an exponential integrator can hold on to."""
    if face not in ("data", "noise"):
        raise ValueError(f"face must be 'data' or 'noise' (what is extrapolated), got {face!r}")


def phi(k: int, z):
    """phi_k(z) = (e^z - sum_{j<k} z^j / j!) / z^k, a float for a float and a float64 tensor for a tensor; phi_k(0) = 1 / k!.

    By its Taylor series near 0 and by phi_{k+1} = (phi_k - 1 / k!) / z elsewhere: no digits are lost.  For k = 1 it is expm1(z) / z.

    Raises:
        ValueError: for a negative k.
    """
    if k < 0:
        raise ValueError(f"phi_k needs k >= 0, got {k}")
    if isinstance(z, Tensor):
        z = z.to(torch.float64)
        near = z.abs() < 1.5
        return torch.where(near, _series(k, torch.where(near, z, 0.0)), _recurrence(k, torch.where(near, 2.0, z), torch))
    return _series(k, z) if abs(z) < 1.5 else _recurrence(k, z, math)


def _series(k: int, z):
    total = 0.0 * z
    for j in range(SERIES, -1, -1):
        total = total * z + 1 / math.factorial(j + k)
    return total


def _recurrence(k: int, z, m):
    if k == 0:
        return m.exp(z)
    value = m.expm1(z) / z
    for j in range(1, k):
        value = (value - 1 / math.factorial(j)) / z
    return value


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
    derivatives = tuple(scale * h ** (k + 1) * phi(k + 1, z) for k in range(terms))
    return Exact(carried, derivatives, schedule.sigma(s) * m.sqrt(fresh) if tau else 0.0)
