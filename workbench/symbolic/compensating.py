"""Moving an answer along its own past, and what a step does with it."""

import sympy as sp

from workbench.symbolic.statements import Statement

rho, h = sp.symbols("rho h", positive=True)
answers = sp.symbols("m_0:3", real=True)
newest, before, oldest = answers
nodes = (0, -1, -2)
"""Where the answers were given, in steps from the newest, on a grid with equal steps."""


def basis(k: int, place: sp.Expr) -> sp.Expr:
    """L_k at a place counted in steps from the newest answer."""
    return sp.prod([(place - other) / (nodes[k] - other) for other in nodes if other != nodes[k]])


moved = sum(basis(k, rho - 1) * answer for k, answer in enumerate(answers))
"""The polynomial through three answers at t_{i-1} + rho (t_i - t_{i-1})."""
in_differences = newest + (rho - 1) * (newest - before) + rho * (rho - 1) / 2 * (newest - 2 * before + oldest)
whole, half = 1 - sp.exp(-h), (1 - sp.exp(-h)) / 2
"""alpha_s times: the weight of a constant answer, and UniP-2's of the difference of the last two on equal steps ("B2")."""

STATEMENTS = (
    Statement(
        "moved-answer",
        moved,
        in_differences,
        note="Moving an answer adds a multiple of its last change, and for three answers of the change of the change.",
    ),
    Statement(
        "compensation-is-a-stretch",
        whole * (newest + (rho - 1) * (newest - before)) + half * ((newest + (rho - 1) * (newest - before)) - before),
        whole * (newest + (3 * rho - 2) / 2 * (newest - before)),
        note="In a UniP-2 step on equal steps a ratio, through two answers, multiplies the slope by 3 rho - 2: 1 leaves it, 2/3 is DDIM.",
    ),
)
