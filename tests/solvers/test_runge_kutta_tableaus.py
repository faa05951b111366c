"""Every Runge-Kutta tableau of the package against Butcher's order conditions, in exact fractions."""

from fractions import Fraction
from math import prod

import pytest
from helpers import label

from workbench import solvers

# The rooted trees of up to four nodes: a tree is the tuple of its subtrees.
LEAF = ()
TREES = (
    (LEAF, 1, 1),
    ((LEAF,), 2, 2),
    ((LEAF, LEAF), 3, 3),
    (((LEAF,),), 3, 6),
    ((LEAF, LEAF, LEAF), 4, 4),
    ((LEAF, (LEAF,)), 4, 8),
    (((LEAF, LEAF),), 4, 12),
    ((((LEAF,),),), 4, 24),
)
METHODS = [s for s in solvers.ALL if isinstance(s, solvers.RungeKutta) and s.variable == "rho" and not s.stochastic]


def exact(number: float) -> Fraction:
    """The fraction with a small denominator that a float stands for."""
    found = Fraction(number).limit_denominator(1000)
    assert abs(float(found) - number) < 1e-15
    return found


def stage_products(tableau, tree) -> list[Fraction]:
    """For each stage, the product over subtrees of sum_j a_ij times the subtree's own product."""
    rows, count = [[exact(a) for a in row] for row in tableau.stages], len(tableau.nodes)
    branches = [stage_products(tableau, branch) for branch in tree]
    return [
        prod((sum((rows[i][j] * b[j] for j in range(i)), Fraction(0)) for b in branches), start=Fraction(1)) for i in range(count)
    ]


@pytest.mark.parametrize("solver", METHODS, ids=label)
def test_order_conditions(solver) -> None:
    """All trees up to the order hold; some tree of the next order fails (there is no more order than the name says)."""
    tableau, defects = solver.tableau, {}
    assert all(sum(map(exact, row), Fraction(0)) == exact(c) for row, c in zip(tableau.stages, tableau.nodes, strict=True))
    weights = [exact(b) for b in tableau.weights]
    for tree, size, density in TREES:
        products = stage_products(tableau, tree)
        defect = sum((b * p for b, p in zip(weights, products, strict=True)), Fraction(0)) - Fraction(1, density)
        defects.setdefault(size, []).append(defect)
    for size, found in defects.items():
        assert any(found) == (size > solver.order), (size, found)
    assert solver.evaluations_per_step == len(tableau.nodes)


def test_names_mean_their_papers_nodes() -> None:
    """Methods of one order differ in the nodes; Shu and Osher's is the average of Euler steps that its name promises."""
    nodes = {type(s).__name__: s.tableau.nodes for s in METHODS}
    assert nodes["Kutta3"] == (0, 0.5, 1) and nodes["Heun3"] == (0, 1 / 3, 2 / 3) and nodes["Ralston3"] == (0, 0.5, 0.75)
    assert nodes["VanDerHouwen3"] == (0, 8 / 15, 2 / 3) and nodes["Ralston2"] == (0, 2 / 3)
    x, h = 1.3, 0.2
    for rate in (-1.0, 0.7):
        euler = lambda y: y + h * rate * y  # noqa: B023, E731
        averaged = x / 3 + 2 / 3 * euler(0.75 * x + 0.25 * euler(euler(x)))
        slopes = []
        for row in solvers.SSPRK3().tableau.stages:
            slopes.append(rate * (x + h * sum(a * k for a, k in zip(row, slopes, strict=True))))
        got = x + h * sum(b * k for b, k in zip(solvers.SSPRK3().tableau.weights, slopes, strict=True))
        assert got == pytest.approx(averaged, rel=1e-14)
