"""Explicit Runge-Kutta methods, as data: a Butcher tableau and a choice of variable.

variable = "rho":  y = x / alpha obeys  dy/drho = noise  in rho = sigma / alpha.  Here Euler's method *is* DDIM.
variable = "t":    x obeys  dx/dt = velocity.

Book: ``foundations/following_the_flow_back``.  Paper: ``hairer1993solving``; in rho: ``karras2022edm``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from workbench.solvers.staged import Rows, Stage, Staged


class Tableau(NamedTuple):
    """nodes c_i, stage weights a_ij (j < i), final weights b_j."""

    nodes: tuple[float, ...]
    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class RungeKutta(Staged):
    """Base of the explicit Runge-Kutta methods; a subclass gives a ``tableau``.

    Args:
        variable: "rho" (default) or "t"; in t, a schedule with regular ends may be integrated from alpha = 0 to sigma = 0.

    Raises:
        ValueError: for another variable.
    """

    variable: Literal["rho", "t"] = "rho"
    tableau = Tableau((0.0,), ((),), (1.0,))
    paper = "hairer1993solving"

    def __post_init__(self) -> None:
        if self.variable not in ("rho", "t"):
            raise ValueError(f"variable must be 'rho' (sigma / alpha) or 't', got {self.variable!r}")

    @property
    def face(self) -> str:
        """The slope: the noise prediction in rho, the velocity in t."""
        return "velocity" if self.variable == "t" else "noise"

    @property
    def evaluations_per_step(self) -> int:
        """One per stage."""
        return len(self.tableau.nodes)

    def regular_ends(self, schedule) -> bool:
        """In t, wherever the velocity is finite at both ends."""
        return self.variable == "t" and schedule.regular_ends

    def churned(self, schedule, t: float, points: int) -> tuple[float, float]:
        """The time to jump to with fresh noise before a step, and the noise's standard deviation; none by default."""
        return t, 0.0

    def plan(self, schedule, grid) -> list[Rows]:
        """Times, scales and weights of all stages of all steps."""
        times = grid.tolist()
        return [self._row(schedule, t, s, len(times)) for t, s in pairwise(times)]

    def _row(self, schedule, t: float, s: float, points: int) -> Rows:
        t, noise = self.churned(schedule, before := t, points)
        inflate = 1.0 if t == before else schedule.alpha(t) / schedule.alpha(before)
        if self.variable == "t":
            begin, h = t, s - t
        else:
            begin = schedule.sigma(t) / schedule.alpha(t)
            h = schedule.sigma(s) / schedule.alpha(s) - begin
        every = [*zip(self.tableau.nodes, self.tableau.stages, strict=True), (1.0, self.tableau.weights)]
        *stages, final = (self._stage(schedule, t, s, begin, h, node, weights) for node, weights in every)
        return Rows(inflate, noise, tuple(stages), final)

    def _stage(self, schedule, t: float, s: float, begin: float, h: float, node: float, weights: Sequence[float]) -> Stage:
        """The stage at begin + node * h of the variable, for a step of h from t to s."""
        if self.variable == "t":
            time, scale, factor = (s if node == 1 else t + node * h), 1.0, h
        else:
            time = t if node == 0 else s if node == 1 else schedule.inverse_log_snr(-math.log(begin + node * h))
            scale, factor = schedule.alpha(time) / schedule.alpha(t), schedule.alpha(time) * h
        return Stage(time, scale, tuple(factor * weight for weight in weights))
