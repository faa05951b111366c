"""Where the steps should be: for DDIM on the unit Gaussian exactly, for any method to leading order.

A step of DDIM on N(0, 1), variance preserving, multiplies by the cosine of the angle theta = atan(sigma / alpha) that it passes.  For any
method, w(lambda) steps per unit of lambda have length h = 1 / w, and their errors C h^(p + 1) add up to C w^-p per unit.
"""

import sympy as sp

from workbench.symbolic.statements import Statement

a, b = sp.symbols("a b", positive=True)
clock = sp.Symbol("lambda", real=True)
w, root, total, n, p = sp.symbols("w c K n p", positive=True)
alpha = 1 / sp.sqrt(1 + sp.exp(-2 * clock))
angle = sp.atan(sp.exp(-clock))
"""theta, from lambda = log(alpha / sigma)."""
best = n * root / total
"""The density of the best grid, with c = C^(1 / (p + 1)) and K its integral, so that n steps are taken in all."""

STATEMENTS = (
    Statement(
        "two-steps-and-their-difference",
        sp.cos(a) * sp.cos(b),
        (sp.cos(a + b) + sp.cos(a - b)) / 2,
        note="Of all ways to pass an angle in two steps, equal ones keep most.",
    ),
    Statement(
        "best-density-is-stationary",
        -p * root ** (p + 1) * best ** (-p - 1),
        -p * (total / n) ** (p + 1),
        note="With this density the gain of a further step is the same everywhere: C has dropped out.",
    ),
    Statement(
        "unit-gaussian-asks-for-equal-angles",
        alpha * sp.Derivative(alpha, clock),
        sp.Derivative(angle, clock) ** 2,
        note="On N(0, 1) the square root of DDIM's error density is the speed of the angle.",
    ),
)
