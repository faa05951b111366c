"""One Taylor step with estimated derivatives: which answers weigh how much.

    x_s = carried x_start + sum_k w_k f_k D_k,      D_k = sum_j d_kj m_j  estimates the k-th derivative of the answer at the start,

with the weights w_k of the exact solution (:func:`workbench.solvers.exponential.exact_step`), the factors f_1 = 1 + c h or a named one,
f_2 = curvature, and d_kj the k-th derivative, at the start, of the polynomial through the chosen answers.  An estimate through more
answers than k + 1 is more accurate; one through k + 1 extrapolates less.

Book: ``solvers/framework_of_solvers``.  Paper: ``liu2024unified``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.schedules import Schedule
from workbench.solvers import lagrange
from workbench.solvers.exponential import exact_step
from workbench.solvers.interpolated import shortcut


class Expansion:
    """The faces "data" and "noise": what a step from t to s carries over, and the weights of the answer's derivatives.

    Another face is another class with the same three methods.
    """

    def __init__(self, schedule: Schedule, face: str) -> None:
        self.schedule, self.face = schedule, face

    def terms(self, t: float, s: float, order: int) -> tuple[Any, tuple[Any, ...]]:
        """The factor of the state, and the weights of the answer and its derivatives in log-SNR at t."""
        exact = exact_step(self.schedule, t, s, self.face, order)
        return exact.x, exact.derivatives

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
) -> tuple[Any, dict[int, Any]]:
    """The factor of the state at ``start``, and the weight of each answer, by age.

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
    carried, terms = expansion.terms(start, s, len(estimators) + 1)
    weights = {own: terms[0]}
    for k, ages in enumerate(estimators, 1):
        term = _relaxed(expansion, terms, h, relaxation) if k == 1 else terms[k] * curvature if k == 2 else terms[k]
        nodes = [0.0, *(clock(times[age]) - begin for age in ages)]
        pick = [math.factorial(k) if j == k else 0.0 for j in range(len(nodes))]
        for age, share in zip((own, *ages), lagrange.weights(nodes, pick), strict=True):
            weights[age] = weights.get(age, 0.0) + term * share
    return carried, weights


def _relaxed(expansion: Expansion, terms: Sequence[Any], h: float, relaxation: float | str) -> Any:
    """The weight of the first derivative: with a name only where it is the only one."""
    if isinstance(relaxation, str):
        return terms[1] if relaxation == "varying" or len(terms) != 2 else expansion.named(terms, h, relaxation)
    return terms[1] * (1 + relaxation * h)
