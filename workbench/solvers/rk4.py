"""The classical fourth-order Runge-Kutta method."""

from dataclasses import dataclass

from workbench.solvers.runge_kutta import RungeKutta, Tableau


@dataclass(frozen=True)
class RK4(RungeKutta):
    """Slopes at the start, twice in the middle and at the end, weighted 1, 2, 2, 1.  Fourth order, four evaluations."""

    tableau = Tableau(
        (0.0, 0.5, 0.5, 1.0),
        ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    )
    order = 4
    other_names = ("classical Runge-Kutta",)
