"""One Taylor step with estimated derivatives: which answers weigh how much.

    x_s = carried x_start + sum_k w_k f_k D_k,      D_k = sum_j d_kj m_j  estimates the k-th derivative of the answer at the start,

with the weights w_k of the exact solution (:func:`workbench.solvers.exponential.exact_step`), the factors f_1 = 1 + c h or a named one,
f_2 = curvature, and d_kj the k-th derivative, at the start, of the polynomial through the chosen answers.  An estimate through more
answers than k + 1 is more accurate; one through k + 1 extrapolates less.

With the face "v3" it is not the answer that is expanded but what the model's statistics do not foresee of it, at every step anew.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from workbench.denoiser import conversion
from workbench.schedules import Schedule
from workbench.solvers import lagrange
from workbench.solvers.exponential import exact_step
from workbench.solvers.interpolated import shortcut
from workbench.solvers.model_statistics import ModelStatistics
from workbench.solvers.model_statistics.pieces import piece


class Expansion:
    """The faces "data" and "noise": what a step from t to s carries over, and the weights of the answer's derivatives.

    Another face is another class with the same methods.
    """

    def __init__(self, schedule: Schedule, face: str) -> None:
        self.schedule, self.face = schedule, face

    def terms(self, t: float, s: float, order: int) -> tuple[Any, tuple[Any, ...], Any]:
        """The factor of the state, the weights of what is expanded and of its derivatives in log-SNR at t, and a constant."""
        exact = exact_step(self.schedule, t, s, self.face, order)
        return exact.x, exact.derivatives, 0.0

    def relative(self, t: float, time: float) -> tuple[Any, Any]:
        """What is expanded in a step from t, factor * answer + offset, for the answer at ``time``."""
        return 1.0, 0.0

    def read(self, home: str, time: float) -> tuple[Any, Any]:
        """The answer as this face, from the face ``home``: weights of the state and of the answer."""
        return (0.0, 1.0) if self.face == home else conversion(self.schedule, home, self.face, time)

    def named(self, weights: Sequence[Any], h: float, variant: str) -> Any:
        """What "B1" or "B2" put in the place of the first derivative's weight."""
        return shortcut(weights[0], h, -h if self.face == "data" else h, variant)


def step_weights(
    expansion: Expansion,
    start: float,
    s: float,
    times: Mapping[int, float],
    estimators: Sequence[Sequence[int]],
    relaxation: float | str,
    curvature: float = 1.0,
) -> tuple[Any, dict[int, Any], Any]:
    """The factor of the state at ``start``, the weight of each answer, by age, and a constant.

    Args:
        expansion: of the face that is expanded.
        start: the time of the state from which the step is taken.
        s: where it leads.
        times: of the answers, by age; the one at ``start`` is among them.
        estimators: for each derivative the ages that estimate it, beside the start's.
        relaxation, curvature: the factors of the first and second derivative.
    """
    clock = expansion.schedule.log_snr
    begin, h = clock(start), clock(s) - clock(start)
    own = next(age for age, time in times.items() if time == start)
    carried, terms, constant = expansion.terms(start, s, len(estimators) + 1)
    weights = {own: terms[0]}
    for k, ages in enumerate(estimators, 1):
        term = _relaxed(expansion, terms, h, relaxation) if k == 1 else terms[k] * curvature if k == 2 else terms[k]
        nodes = [0.0, *(clock(times[age]) - begin for age in ages)]
        pick = [math.factorial(k) if j == k else 0.0 for j in range(len(nodes))]
        for age, share in zip((own, *ages), lagrange.weights(nodes, pick), strict=True):
            weights[age] = weights.get(age, 0.0) + term * share
    for age, weight in weights.items():
        factor, offset = expansion.relative(start, times[age])
        weights[age], constant = weight * factor, constant + weight * offset
    return carried, weights, constant


def _relaxed(expansion: Expansion, terms: Sequence[Any], h: float, relaxation: float | str) -> Any:
    """The weight of the first derivative: with a name only where it is the only one."""
    if isinstance(relaxation, str):
        return terms[1] if relaxation == "varying" or len(terms) != 2 else expansion.named(terms, h, relaxation)
    return terms[1] * (1 + relaxation * h)


class StatisticsExpansion(Expansion):
    """The face "v3": f = e - l v with v = x / alpha and e = (sigma / alpha) noise, as the model's statistics say (:class:`ModelStatistics`).

    In a step from t the part of f that s and b do not foresee is expanded, g = e^-S~ f - B; the exact step is

        x_s = alpha_s e^-L~ (x_t / alpha_t - C - sum_k g^(k) M_k / k!).
    """

    def __init__(self, schedule: Schedule, statistics: ModelStatistics) -> None:
        super().__init__(schedule, "v3")
        self.statistics = statistics

    def _piece(self, t: float, s: float, terms: int):
        return piece(self.statistics, self.schedule.log_snr(t), self.schedule.log_snr(s), terms)

    def terms(self, t: float, s: float, order: int) -> tuple[Any, tuple[Any, ...], Any]:
        """As :meth:`Expansion.terms`; tensors shaped as a sample."""
        own = self._piece(t, s, order)
        scale = self.schedule.alpha(s) * torch.exp(-own.linear)
        weights = tuple(-scale * moment / math.factorial(k) for k, moment in enumerate(own.moments[:order]))
        return scale / self.schedule.alpha(t), weights, -scale * own.shift

    def relative(self, t: float, time: float) -> tuple[Any, Any]:
        """As :meth:`Expansion.relative`."""
        if time == t:
            return 1.0, 0.0
        way = self._piece(t, time, 1)
        return torch.exp(-way.drift), -way.forcing

    def read(self, home: str, time: float) -> tuple[Any, Any]:
        """As :meth:`Expansion.read`; the home of plans with this face is the data."""
        known = self.statistics.at(torch.tensor([self.schedule.log_snr(time)], dtype=torch.float64))
        return (1 - known.l[0]) / self.schedule.alpha(time), -1.0
