"""The midpoint method: go half-way, and use the slope found there for the whole step."""

from dataclasses import dataclass

from workbench.solvers.runge_kutta import RungeKutta, Tableau


@dataclass(frozen=True)
class Midpoint(RungeKutta):
    """k = slope(y_t, rho_t);  y_s = y_t + h slope(y_t + h k / 2, rho_t + h / 2).  Second order, two evaluations."""

    tableau = Tableau((0.0, 0.5), ((), (0.5,)), (0.0, 1.0))
    order = 2
    other_names = ("explicit midpoint", "modified Euler")
