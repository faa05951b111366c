"""One exponential Runge-Kutta step: look inside the step, put a curve through the answers, integrate it exactly.

The stages sit at lambda_t + r1 h and lambda_t + r2 h.  Each is itself reached by an exact integral, of what is known so far:

    order 1:  the answer m stays what it is (this is DDIM)
    order 2:  a line through m and m1
    order 3:  m2 is reached along the line through m and m1, with a part g of the first stage's own correction; then either
              "midpoint": a line of slope (g (m1 - m) + (m2 - m)) / ((g r1 + r2) h), or "taylor": the parabola through m, m1, m2.

g = (3 r2 - 2) r2 / ((2 - 3 r1) r1) is the one number that makes any pair r1, r2 third order; it vanishes at the published r2 = 2/3.

Book: ``solvers/exponential``.  Papers: ``lu2022dpmsolver``, ``lu2022dpmpp``; the family in r1, r2: ``hochbruck2005explicit``.
"""

import math
from itertools import pairwise
from typing import Literal

from workbench.solvers.exponential import Face, check_face, exact_step
from workbench.solvers.lagrange import weights
from workbench.solvers.staged import Rows, Stage, Staged

Correction = Literal["midpoint", "taylor"]
RATIOS = {1: (None, None), 2: (1 / 2, None), 3: (1 / 3, 2 / 3)}  # the published places of the inner looks


class Singlestep(Staged):
    """Base of the methods that take every step by :func:`singlestep`; a subclass names its order, its ratios and its face."""

    face: Face = "data"
    correction: Correction = "midpoint"
    r1: float | None = None
    r2: float | None = None

    def __post_init__(self) -> None:
        check_singlestep(self.order, self.face, self.correction, self.r1, self.r2)

    @property
    def evaluations_per_step(self) -> int:
        """One per stage: the order."""
        return int(self.order)

    def plan(self, schedule, grid) -> list[Rows]:
        """Times, scales and weights of all stages of all steps."""
        every = pairwise(grid.tolist())
        return [singlestep(schedule, t, s, self.order, self.face, self.correction, self.r1, self.r2) for t, s in every]


def singlestep(schedule, t, s, order: int, face: Face, correction: Correction = "midpoint", r1=None, r2=None) -> Rows:
    """The stages and the final combination of one step of order 1, 2 or 3.

    Args:
        schedule: the noise schedule.
        t, s: from where to where; two floats, or two (batch,) tensors for tensors of times and weights.
        order: 1, 2 or 3.
        face: which answer is integrated.
        correction: how the answers give the curve, see above.
        r1, r2: where the inner looks are, as parts of the step in lambda; 1/2, or 1/3 and 2/3, if None.
    """
    r1, r2 = (own if own is not None else usual for own, usual in zip((r1, r2), RATIOS[order], strict=True))
    h, looks = schedule.log_snr(s) - schedule.log_snr(t), [Stage(t, 1.0, ())]
    end = exact_step(schedule, t, s, face, order)
    final = end.derivatives
    if order > 1:
        looks.append(_inner(schedule, t, s, r1 * h, face, ()))
        final = _second(final, h, r1, correction)
    if order == 3:
        g = (3 * r2 - 2) * r2 / ((2 - 3 * r1) * r1) if r2 != 2 / 3 else 0.0
        looks.append(_inner(schedule, t, s, r2 * h, face, (r1 * h,), g, looks[1].t))
        final = _third(end.derivatives, h, r1, r2, g, correction)
    return Rows(1.0, 0.0, tuple(looks), Stage(s, end.x, final))


def _inner(schedule, t, s, part, face: Face, nodes: tuple, g: float = 0.0, first=None) -> Stage:
    """The stage at lambda_t + part: the exact integral of the line through m and (where there is one) the answer at ``nodes``."""
    time = _time(schedule, t, s, part)
    exact = exact_step(schedule, t, time, face, 1 + len(nodes))
    line = list(weights((0.0, *nodes), exact.derivatives))
    if g:
        level = schedule.alpha if face == "data" else schedule.sigma
        own = exact_step(schedule, t, first, face, 2).derivatives[1] * (level(time) / level(first))
        line[1] = line[1] + g * own / nodes[0]
        line[0] = line[0] - g * own / nodes[0]
    return Stage(time, exact.x, tuple(line))


def _time(schedule, t, s, part):
    """The time at lambda_t + part, which is s itself at the end of the step."""
    if isinstance(part, float) and math.isclose(part, schedule.log_snr(s) - schedule.log_snr(t), rel_tol=1e-14):
        return s
    return schedule.inverse_log_snr(schedule.log_snr(t) + part)


def _second(derivatives, h, r1: float, correction: Correction) -> tuple:
    constant, slope = derivatives[:2]
    change = constant / (2 * r1) if correction == "midpoint" else slope / (r1 * h)
    return constant - change, change


def _third(derivatives, h, r1: float, r2: float, g: float, correction: Correction) -> tuple:
    constant, slope, curve = derivatives
    if correction == "taylor":
        return weights((0.0, r1 * h, r2 * h), (constant, slope, 2 * curve))
    change = slope / ((g * r1 + r2) * h)
    return constant - (g + 1) * change, g * change, change


def check_singlestep(order: int, face: str, correction: str, r1: float | None = None, r2: float | None = None) -> None:
    """Raise ValueError for another order, face or correction, or ratios with which the order cannot be reached."""
    if isinstance(order, bool) or order not in RATIOS:
        raise ValueError(f"singlestep methods have the orders 1, 2, 3; got {order!r}")
    check_face(face)
    if correction not in ("midpoint", "taylor"):
        raise ValueError(f"correction must be 'midpoint' or 'taylor', got {correction!r}")
    if (r1 is not None and order == 1) or (r2 is not None and order < 3):
        raise ValueError(
            f"order {order} looks {order - 1} time(s) inside a step, got r1={r1}, r2={r2}; leave out what it does not use"
        )
    r1, r2 = (own if own is not None else usual for own, usual in zip((r1, r2), RATIOS[order], strict=True))
    if r1 is not None and not 0 < r1 <= 1:
        raise ValueError(f"r1 is a part of the step, 0 < r1 <= 1; got {r1}")
    if r2 is not None and not r1 < r2 <= 1:
        raise ValueError(f"r2 is a part of the step after r1, r1 < r2 <= 1; got r1={r1}, r2={r2}")
    if r2 is not None and r1 == 2 / 3:
        raise ValueError("r1 = 2/3 reaches no third order with a later r2; move r1 (the published choice is 1/3 and 2/3)")
