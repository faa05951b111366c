"""Runge-Kutta methods of third order, three evaluations a step: the same order conditions, solved in five ways.

Order 3 asks of nodes c, stages a and weights b:  sum b = 1,  sum b c = 1/2,  sum b c^2 = 1/3,  sum b_i a_ij c_j = 1/6.
In rho they are the members of DEIS's family "rhoRK" (``zhang2023deis``).
"""

from dataclasses import dataclass

from workbench.solvers.runge_kutta import RungeKutta, Tableau


@dataclass(frozen=True)
class Kutta3(RungeKutta):
    """Kutta's method: slopes at the start, the middle and the end, weighted as in Simpson's rule."""

    tableau = Tableau((0.0, 0.5, 1.0), ((), (0.5,), (-1.0, 2.0)), (1 / 6, 2 / 3, 1 / 6))
    order = 3
    paper = "kutta1901beitrag"
    other_names = ("RK3",)


@dataclass(frozen=True)
class Heun3(RungeKutta):
    """Heun's method of third order: two slopes on the way count, the one at 1/3 only helps to find that at 2/3."""

    tableau = Tableau((0.0, 1 / 3, 2 / 3), ((), (1 / 3,), (0.0, 2 / 3)), (0.25, 0.0, 0.75))
    order = 3
    paper = "heun1900neue"


@dataclass(frozen=True)
class Ralston3(RungeKutta):
    """Ralston's method: of all third-order ones, the smallest bound on the error of one step."""

    tableau = Tableau((0.0, 0.5, 0.75), ((), (0.5,), (0.0, 0.75)), (2 / 9, 1 / 3, 4 / 9))
    order = 3
    paper = "ralston1962runge"


@dataclass(frozen=True)
class VanDerHouwen3(RungeKutta):
    """Van der Houwen's method: a_31 = b_1, so two registers of storage are enough for it.  DEIS lists it as "3vdh"."""

    tableau = Tableau((0.0, 8 / 15, 2 / 3), ((), (8 / 15,), (0.25, 5 / 12)), (0.25, 0.0, 0.75))
    order = 3
    paper = "zhang2023deis"
    other_names = ("3vdh",)


@dataclass(frozen=True)
class SSPRK3(RungeKutta):
    """Shu and Osher's method: an average of Euler steps, so it preserves whatever bound Euler's steps preserve."""

    tableau = Tableau((0.0, 1.0, 0.5), ((), (1.0,), (0.25, 0.25)), (1 / 6, 1 / 6, 2 / 3))
    order = 3
    paper = "shu1988efficient"
    other_names = ("TVD-RK3", "Shu-Osher")
