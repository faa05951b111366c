"""Ralston's method of second order: of all with two evaluations, the smallest bound on the error of one step."""

from dataclasses import dataclass

from workbench.solvers.runge_kutta import RungeKutta, Tableau


@dataclass(frozen=True)
class Ralston2(RungeKutta):
    """Slopes at the start and two thirds of the way, weighted 1 and 3.  Second order, two evaluations."""

    tableau = Tableau((0.0, 2 / 3), ((), (2 / 3,)), (0.25, 0.75))
    order = 2
    paper = "ralston1962runge"
