"""Multistep methods: the polynomial through past answers, integrated; and what a forgotten factor and constant weights cost."""

import sympy as sp

from workbench.symbolic.statements import Statement

u = sp.Symbol("u", real=True)
h, k, k_1, k_2 = sp.symbols("h k k_1 k_2", positive=True)
"""The step to come and the steps before it, in lambda."""
m, m_1, m_2, slope, bend = sp.symbols("m m_1 m_2 m' m''", real=True)
r, b, c = sp.symbols("r b c", positive=True)

line = m + u * (m - m_1) / k
parabola = sp.interpolate([(0, m), (-k_1, m_1), (-k_1 - k_2, m_2)], u)
curvature = 2 * ((m - m_1) / k_1 - (m_1 - m_2) / k_2) / (k_1 + k_2)
"""The second derivative of the parabola, by divided differences."""
own_slope = (m - m_1) / k_1 + k_1 * curvature / 2
"""The first derivative of the parabola at u = 0."""
phi_1, phi_2 = 1 - sp.exp(-h), sp.exp(-h) - 1 + h
phi_3 = h**2 / 2 - phi_2
"""h^k phi_k(-h) for k = 1, 2, 3."""


def weighted(answer: sp.Expr) -> sp.Expr:
    """The exact step's integral of an answer (data face, divided by alpha_s): e^(u - h) over the step."""
    return sp.Integral(sp.exp(u - h) * answer, (u, 0, h))


STATEMENTS = (
    Statement(
        "line-through-two-answers",
        weighted(line),
        phi_1 * m + phi_2 * (m - m_1) / k,
        note="DPM-Solver++(2M), its exact form: the line through the last two answers, integrated.",
    ),
    Statement(
        "parabola-through-three-answers",
        weighted(parabola),
        phi_1 * m + phi_2 * own_slope + phi_3 * curvature,
        note="DPM-Solver++(3M), correct: the parabola through the last three answers, integrated.",
    ),
    Statement(
        "second-derivative-of-the-parabola",
        sp.diff(parabola, u, 2),
        curvature,
        note="The second derivative is twice the second divided difference; public codes of 3M miss this 2.",
    ),
    Statement(
        "deis-two-answers-in-log-rho",
        sp.diff(r * (sp.log(r) - c - 1) / (b - c), r),
        (sp.log(r) - c) / (b - c),
        note="The antiderivative of the line in log rho that codes of DEIS evaluate.",
        ranges={b: (0.6, 0.9), c: (0.2, 0.5)},
    ),
)
