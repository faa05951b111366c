"""One step of DPM-Solver-v3, linear in the state and in the answers f = e - l v at any remembered times.

With everything relative to the start t of the step (v = x / alpha, u the distance in lambda, L~, S~, B, C, M_k as in
:mod:`~workbench.solvers.model_statistics.pieces`), g = e^-S~ f - B stands still as far as s and b foresee it, and

    x_s = alpha_s e^-L~_s (x_t / alpha_t - integral of e^(L~ + S~) (g + B))
        = alpha_s e^-L~_s (x_t / alpha_t - C - sum_j W_j (e^-S~_j f_j - B_j)),

where the W_j integrate the polynomial through the g_j against e^(L~ + S~).

Book: ``solvers/best_parameterization``.  Paper: ``zheng2023dpmsolverv3``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers import lagrange
from workbench.solvers.model_statistics.pieces import Piece, piece
from workbench.solvers.model_statistics.statistics import ModelStatistics


class V3Weights(NamedTuple):
    """x_s = x * x_t + sum_j past[j] * f_j + constant, in the coordinates of the statistics (float64)."""

    x: Tensor
    past: tuple[Tensor, ...]
    constant: Tensor


def v3_weights(
    statistics: ModelStatistics,
    schedule: Schedule,
    past: Sequence[float],
    s: float,
    points: int,
    *,
    corrected: bool = False,
    pseudo: bool = False,
) -> V3Weights:
    """The weights of the step from ``past[0]`` to ``s``.

    Args:
        statistics: of the model.
        schedule: the noise schedule.
        past: times of the answers, newest first; the step starts at the first.
        s: where it goes.
        points: how many answers it combines.
        corrected: whether the answer at ``s`` is one of them; it then comes first in the result.
        pseudo: the published pseudo-order: every derivative from the nearest answers alone.
    """
    lam = [schedule.log_snr(t) for t in past]
    end = schedule.log_snr(s)
    own = piece(statistics, lam[0], end, points)
    offsets, drifts, forcings = [0.0], [torch.zeros_like(own.drift)], [torch.zeros_like(own.forcing)]
    for newer, older in zip(lam, lam[1 : points - corrected], strict=False):
        back = piece(statistics, older, newer, 1)
        offsets.append(older - lam[0])
        drifts.append(drifts[-1] - back.drift)
        forcings.append(forcings[-1] - torch.exp(-drifts[-1]) * back.forcing)
    if corrected:  # second in order of distance
        offsets.insert(1, own.h)
        drifts.insert(1, own.drift)
        forcings.insert(1, own.forcing)
    shares = pseudo_weights(offsets, own.moments) if pseudo else lagrange.weights(offsets, own.moments[:points])
    scale = schedule.alpha(s) * torch.exp(-own.linear)
    inside = -own.shift
    for share, forcing in zip(shares, forcings, strict=True):
        inside = inside + share * forcing
    answers = [-scale * share * torch.exp(-drift) for share, drift in zip(shares, drifts, strict=True)]
    if corrected:
        answers[:2] = answers[1::-1]
    return V3Weights(scale / schedule.alpha(past[0]), tuple(answers), scale * inside)


def pseudo_weights(nodes: Sequence[float], moments: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """sum_k M_k D_k by values: D_k, the divided difference of the first k + 1 nodes, stands in for the k-th derivative over k!."""
    found = [0.0 * moments[0] for _ in nodes]
    for k in range(len(nodes)):
        for j in range(k + 1):
            gap = 1.0
            for i in range(k + 1):
                gap *= nodes[j] - nodes[i] if i != j else 1.0
            found[j] = found[j] + moments[k] / gap
    return tuple(found)


__all__ = ["Piece", "V3Weights", "pseudo_weights", "v3_weights"]
