"""The integrals of DPM-Solver-v3 over one interval of lambda, in float64: everything relative to the interval's start.

With L~ and S~ the integrals of l and s from the start, u the distance from it, and B(u) the integral of e^-S~ b,

    M_k = integral e^(L~ + S~) u^k du,        C = integral e^(L~ + S~) B du

by Gauss-Legendre quadrature between the breaks of the coefficients.  Nothing is snapped to nodes and no exponential leaves the interval.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

WIDEST = 0.5  # of a panel of the quadrature
TERMS = 4  # moments computed at once: enough for order 3 and its corrector
_MEMO_LIMIT = 1024


class Piece(NamedTuple):
    """Over an interval of lambda of length ``h`` (negative where lambda falls): tensors shaped as a sample's coordinates."""

    h: float
    linear: Tensor  # integral of l
    drift: Tensor  # integral of s
    forcing: Tensor  # integral of e^-S~ b
    shift: Tensor  # C
    moments: tuple[Tensor, ...]  # M_0, M_1, ...


def piece(statistics, start: float, stop: float, terms: int) -> Piece:
    """The integrals from ``start`` to ``stop`` (values of lambda, either way round), remembered by the statistics."""
    key, memo = (start, stop), statistics._memo
    known = memo.get(key)
    if known is None or len(known.moments) < terms:
        if len(memo) >= _MEMO_LIMIT:
            memo.clear()
        with torch.inference_mode(False), torch.no_grad():
            known = memo[key] = _integrated(statistics, start, stop, max(terms, TERMS))
    return known


def _integrated(statistics, start: float, stop: float, terms: int) -> Piece:
    edges = _edges(statistics, start, stop)
    x, w, within = rule(statistics.points)
    half = edges.diff() / 2
    lam = (edges[:-1, None] + half[:, None] * (1 + x)).flatten()
    ends = torch.tensor([start, stop], dtype=torch.float64)
    linear, drift = statistics.integrals(torch.cat([lam, ends]))
    first, last = len(lam), len(lam) + 1
    panels = (len(half), len(x))
    total_linear, total_drift = linear[last] - linear[first], drift[last] - drift[first]
    drift = drift[:first] - drift[first]
    growth = torch.exp(linear[:first] - linear[first] + drift)
    push = torch.exp(-drift) * statistics.forcing(lam)
    halves = half.view(-1, *[1] * (push.ndim - 1))
    push = push.view(*panels, *push.shape[1:])
    by_panel = halves * torch.einsum("q,pq...->p...", w, push)
    before = by_panel.cumsum(0) - by_panel
    so_far = before[:, None] + halves[:, None] * torch.einsum("rq,pq...->pr...", within, push)
    weight = (half[:, None] * w).flatten()
    u = lam - start
    moments = tuple(torch.tensordot(weight * u**k, growth, 1) for k in range(terms))
    shift = torch.tensordot(weight, growth * so_far.flatten(0, 1), 1)
    return Piece(stop - start, total_linear, total_drift, by_panel.sum(0), shift, moments)


def _edges(statistics, start: float, stop: float) -> Tensor:
    """From start to stop by way of the breaks, no panel wider than ``WIDEST``."""
    low, high = min(start, stop), max(start, stop)
    marks = [low, *statistics.breaks(low, high), high]
    edges = [low]
    for a, b in zip(marks, marks[1:], strict=False):
        parts = max(1, int(np.ceil((b - a) / WIDEST)))
        edges += [a + (b - a) * (i + 1) / parts for i in range(parts)]
    edges[-1] = high
    found = torch.tensor(edges, dtype=torch.float64)
    return found if start < stop else found.flip(0)


@cache
def rule(points: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss-Legendre nodes x and weights on [-1, 1], and the matrix of the integrals of the Lagrange polynomials from -1 to each x."""
    x, w = np.polynomial.legendre.leggauss(points)
    powers = np.arange(points)
    to_coefficients = np.linalg.inv(x[:, None] ** powers)
    upto = (x[:, None] ** (powers + 1) - (-1.0) ** (powers + 1)) / (powers + 1)
    return torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(upto @ to_coefficients)
