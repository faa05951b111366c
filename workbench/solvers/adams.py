"""Adams methods in rho and in t: integrate the polynomial through the last noise predictions exactly, in one of these variables.

The probability flow from t to s is one integral of the noise prediction, with rho = sigma / alpha = exp(-lambda):

    x_s = (alpha_s / alpha_t) x_t + alpha_s * integral of noise drho           (rho from rho_t to rho_s)

Replace the answer by its polynomial in u = rho or t through the times remembered, newest first.  (For u = lambda, in either face, see
:mod:`workbench.solvers.interpolated`.)  In rho the integrals are those of polynomials; in t they are done once, at plan time, by
Gauss-Legendre in lambda, where every schedule is smooth.

Book: ``solvers/multistep``.  Papers: ``zhang2023deis``, ``hairer1993solving``.
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers import lagrange
from workbench.solvers.bashforth import bashforth
from workbench.solvers.multistep import Weights

NODES = 16  # of Gauss-Legendre, on panels of at most PANEL in lambda: t(lambda) is analytic within pi / 2 of the real line
PANEL = 2.0


def in_rho(schedule: Schedule, past: Sequence[float], s: float) -> Weights:
    """The polynomial in rho of the noise: classical Adams-Bashforth with variable steps for d(x / alpha)/drho = noise."""
    rho = [schedule.sigma(t) / schedule.alpha(t) for t in (*past, s)]
    alpha = schedule.alpha(s)
    return Weights(past[0], alpha / schedule.alpha(past[0]), tuple(alpha * w for w in bashforth(rho[:-1], rho[-1])))


def in_time(schedule: Schedule, past: Sequence[float], s: float) -> Weights:
    """The polynomial in t of the noise, integrated to better than 1e-12 (see :func:`time_moments`)."""
    t = past[0]
    nodes = [(u - t) / (s - t) for u in past]
    carried = schedule.alpha(s) / schedule.alpha(t)
    return Weights(t, carried, lagrange.weights(nodes, time_moments(schedule, t, s, len(past))))


def time_moments(schedule: Schedule, t: float, s: float, terms: int, nodes: int = NODES) -> list[float]:
    """alpha_s times the integrals of ((u - t) / (s - t))^k drho, u the time of noise level rho, from rho_t to rho_s.

    k = 0 in closed form; the others by quadrature in lambda, cut at the schedule's kinks and into panels of at most ``PANEL``.
    """
    whole = schedule.sigma(s) - schedule.alpha(s) * (schedule.sigma(t) / schedule.alpha(t))
    if terms == 1:
        return [whole]
    clock, length = _panels(schedule, t, s, nodes)
    share = (schedule.inverse_log_snr(clock) - t) / (s - t)
    density = -schedule.alpha(s) * torch.exp(-clock) * length
    return [whole, *torch.stack([density * share**k for k in range(1, terms)]).sum(1).tolist()]


def _panels(schedule: Schedule, t: float, s: float, nodes: int) -> tuple[Tensor, Tensor]:
    """Points and weights of the composite Gauss-Legendre rule between lambda_t and lambda_s."""
    cuts = sorted([t, *schedule.kinks(min(t, s), max(t, s)), s], reverse=s < t)
    edges = []
    for a, b in pairwise(schedule.log_snr(u) for u in cuts):
        pieces = math.ceil(abs(b - a) / PANEL)
        edges += [(a + (b - a) * i / pieces, a + (b - a) * (i + 1) / pieces) for i in range(pieces)]
    begin, end = torch.tensor(edges, dtype=torch.float64).T.unsqueeze(-1)
    points, weights = _gauss_legendre(nodes)
    half = 0.5 * (end - begin)
    return (begin + half * (1 + points)).flatten(), (half * weights).flatten()


@cache
def _gauss_legendre(nodes: int) -> tuple[Tensor, Tensor]:
    """The rule on [-1, 1], exact for polynomials of degree 2 nodes - 1."""
    from numpy.polynomial.legendre import leggauss

    return tuple(torch.from_numpy(part) for part in leggauss(nodes))
