"""Semi-discrete optimal transport: planes over the plane, the walls between their cells, and what raising a plane does."""

import sympy as sp

from workbench.symbolic.statements import Statement

x, y_1, y_2, h_1, h_2, radius = sp.symbols("x y_1 y_2 h_1 h_2 w", real=True)
gap = sp.Symbol("d", positive=True)
"""The distance between two points on the line."""
wall = sp.Symbol("q", real=True)


def below(q: sp.Expr) -> sp.Expr:
    """The mass of N(0, 1) left of q."""
    return (1 + sp.erf(q / sp.sqrt(2))) / 2


def density(q: sp.Expr) -> sp.Expr:
    """The density of N(0, 1) at q, which is minus the mean of x over the left of q."""
    return sp.exp(-(q**2) / 2) / sp.sqrt(2 * sp.pi)


where = (h_1 - h_2) / gap
mean_potential = -y_1 * density(where) + h_1 * below(where) + (y_1 + gap) * density(where) + h_2 * (1 - below(where))
"""The mean of max(x y_1 + h_1, x (y_1 + d) + h_2) over N(0, 1)."""

STATEMENTS = (
    Statement(
        "wall-between-two-planes",
        x * y_1 + h_1,
        x * y_2 + h_2,
        given={x: (h_1 - h_2) / (y_2 - y_1)},
        note="Two planes meet where the ratio of their rises is the place: on a line, a wall at (h_1 - h_2) / (y_2 - y_1).",
    ),
    Statement(
        "highest-plane-is-nearest-point",
        x * y_1 + h_1,
        (x**2 + radius - (x - y_1) ** 2) / 2,
        given={h_1: (radius - y_1**2) / 2},
        note="The highest plane belongs to the nearest point, once its squared distance has been reduced by a number of its own.",
    ),
    Statement(
        "raising-a-plane-counts-its-cell",
        sp.Derivative(mean_potential, h_2),
        1 - below(where),
        assumptions="N(0, 1) on the line and two points",
        note="The mean of the potential rises with a height at the rate of the mass of its cell.",
    ),
)
