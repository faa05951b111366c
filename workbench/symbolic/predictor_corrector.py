"""A corrector: the same integral as the predictor's, of a polynomial that also knows the answer at the end of the step.

Over one step u runs from 0 to h (u = lambda - lambda_t); the answers m are known at u = 0 and u = -k, and m_s at u = h.  All integrals
carry the weight e^(u - h) of the data face.
"""

import sympy as sp

from workbench.symbolic.statements import Statement

u, h, k = sp.symbols("u h k", positive=True)
m, m_before, m_s = sp.symbols("m m_1 m_s", real=True)
big = sp.Symbol("B", positive=True)
phi_1 = (1 - sp.exp(-h)) / h
phi_2 = (sp.exp(-h) - 1 + h) / h**2
phi_3 = (1 - h + h**2 / 2 - sp.exp(-h)) / h**3
"""phi_1(-h), phi_2(-h), phi_3(-h)."""


def integrated(polynomial: sp.Expr) -> sp.Expr:
    """The integral over the step, with the weight of the data face."""
    return sp.Integral(sp.exp(u - h) * polynomial, (u, 0, h))


line = m + (m - m_before) * u / k
"""Through the answers at 0 and -k: what the predictor assumes."""
parabola = m * (u + k) * (h - u) / (k * h) + m_before * u * (u - h) / (k * (k + h)) + m_s * u * (u + k) / (h * (h + k))
"""Through the answers at 0, -k and h: what the corrector knows."""
foreseen = line.subs(u, h)
gain = integrated(u * (u + k)) / (h * (h + k))
"""The weight of the new answer in the correction."""
system = sp.Matrix([[1, 1], [-k / h, 1]])
rho = system.LUsolve(sp.Matrix([h * phi_2, 2 * h * phi_3])) / big
"""The published weights of the differences D = (m_j - m) / r_j, r = -k / h and 1, for any function B(h)."""

STATEMENTS = (
    Statement(
        "corrector-through-two-answers",
        integrated(m + (m_s - m) * u / h),
        h * (phi_1 * m + phi_2 * (m_s - m)),
        note="With the answers at both ends of the step the corrector integrates the line between them.",
    ),
    Statement(
        "correction-is-a-surprise",
        integrated(parabola) - integrated(line),
        gain * (m_s - foreseen),
        note="A correction is a multiple of the difference between the new answer and the one that the predictor had foreseen.",
    ),
    Statement(
        "unipc-does-not-feel-b",
        h * phi_1 * m + big * (rho[0] * (m_before - m) / (-k / h) + rho[1] * (m_s - m)),
        integrated(parabola),
        note="Where UniPC solves its system, B(h) cancels: what is left is the polynomial through the answers, integrated exactly.",
    ),
)
