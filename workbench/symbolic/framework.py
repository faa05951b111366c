"""A framework of solvers: what the published two-term methods do to the first derivative, and when few answers know more than they say.

Over one step u runs from 0 to h (u = lambda - lambda_t), and all integrals of the data face carry the weight e^(u - h).
"""

import sympy as sp

from workbench.symbolic.statements import Statement

u, h = sp.symbols("u h", positive=True)
m, d = sp.symbols("m D_1", real=True)
a_0, a_1, a_2 = sp.symbols("a_0 a_1 a_2", real=True)
phi_1 = (1 - sp.exp(-h)) / h
phi_2 = (sp.exp(-h) - 1 + h) / h**2
"""phi_1(-h) and phi_2(-h)."""
theta = phi_1 / (2 * phi_2)
"""What "B2", the midpoint form, multiplies the first derivative by; "B1" has 1 / (2 phi_2)."""
parabola = a_0 + a_1 * u + a_2 * u**2

STATEMENTS = (
    Statement(
        "midpoint-is-a-stretched-slope",
        h * phi_1 * m + theta * sp.Integral(sp.exp(u - h) * d * u, (u, 0, h)),
        h * phi_1 * (m + d * h / 2),
        note="The midpoint form is the exact integral of a line whose slope is multiplied by phi_1 / (2 phi_2).",
    ),
    Statement(
        "midpoint-relaxation",
        sp.Limit((theta * d - d) / h, h, 0),
        -d / 6,
        note="For short steps the slope D_1 becomes (1 - h/6) D_1.",
    ),
    Statement(
        "b1-relaxation",
        sp.Limit((d / (2 * phi_2) - d) / h, h, 0),
        d / 3,
        note="B(h) = h makes (1 + h/3) D_1 of the slope D_1.",
    ),
    Statement(
        "two-thirds-know-the-curvature",
        sp.Integral(parabola, (u, 0, h)),
        h * a_0 + h**2 / 2 * (parabola.subs(u, 2 * h / 3) - a_0) / (2 * h / 3),
        note="A line through the answers at the start and at two thirds of the step has the integral of the parabola.",
    ),
)
