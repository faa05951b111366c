"""Adams-Bashforth: the integrals behind its weights, what constant weights leave out, and when long steps become unstable."""

import sympy as sp

from workbench.symbolic.statements import Statement

f0, f1, f2, f3 = sp.symbols("f_0 f_1 f_2 f_3", real=True)
"""The last slopes, newest first."""
u = sp.Symbol("u", real=True)
h, k = sp.symbols("h k", positive=True)
"""The step to come, and the one before it."""
rho, c, r = sp.symbols("rho c r", positive=True)
"""Noise level; step in lambda; ratio of one noise level to the one before, r = exp(-c)."""
level, trend = sp.symbols("E E'", real=True)
"""Noise prediction at the start of a step, and its derivative in lambda."""
zeta = sp.Symbol("zeta", real=True)

cubic = sp.interpolate([(0, f0), (-1, f1), (-2, f2), (-3, f3)], u)
exact_average = sp.Integral(rho * sp.exp(-u) * (level + trend * u), (u, 0, c))
constant_average = rho * (1 - sp.exp(-c)) * (level + trend * c / 2)


def two_answers(newest: sp.Expr, older: sp.Expr) -> sp.Expr:
    """Characteristic polynomial for the slope y / rho on geometric noise levels, of the weights `newest` and -`older` per unit step."""
    return r * zeta**2 - (1 - (1 - r) * newest) * zeta - (1 - r) * older


STATEMENTS = (
    Statement(
        "adams-bashforth-2",
        sp.Integral(f0 + (f0 - f1) * u, (u, 0, 1)),
        (3 * f0 - f1) / 2,
        note="The line through the last two slopes, one step ahead: the constants 3/2 and -1/2.",
    ),
    Statement(
        "adams-bashforth-4",
        sp.Integral(cubic, (u, 0, 1)),
        (55 * f0 - 59 * f1 + 37 * f2 - 9 * f3) / 24,
        note="The cubic through the last four slopes, one step ahead: 55, -59, 37 and -9, over 24.",
    ),
    Statement(
        "adams-bashforth-2-any-steps",
        sp.Integral(f0 + (f0 - f1) / k * u, (u, 0, h)),
        h * ((1 + h / (2 * k)) * f0 - h / (2 * k) * f1),
        note="With steps that vary, the weight of the past is half the ratio of the steps.",
    ),
    Statement(
        "constants-ignore-the-weight",
        constant_average - exact_average,
        rho * trend * (c * (1 + sp.exp(-c)) / 2 - (1 - sp.exp(-c))),
        assumptions="the noise prediction is linear in lambda; two answers or more, equal steps in lambda",
        note="Constant weights are wrong by what the trapezoid rule gets wrong about exp(-u): c^3 / 12 to leading order.",
    ),
    Statement(
        "ipndm-on-pure-noise",
        two_answers(sp.Rational(3, 2), sp.Rational(1, 2)),
        (zeta - 1) * (r * zeta + (1 - r) / 2),
        assumptions="noise level far above the data, equal steps in lambda",
        note="Two answers with constant weights: beside the true solution, one that grows by -(1 - r) / (2 r) in every step.",
    ),
    Statement(
        "lms-on-pure-noise",
        two_answers(1 + r / 2, r / 2),
        (zeta - 1) * (r * zeta + (1 - r) * r / 2),
        assumptions="noise level far above the data, equal steps in lambda",
        note="Two answers with exact weights: the second solution is multiplied by -(1 - r) / 2, below one half on the way down.",
    ),
)
