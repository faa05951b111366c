"""Richardson extrapolation: two results that miss the same unknown by known amounts, and what it makes of the simplest methods."""

import sympy as sp

from workbench.symbolic.statements import Statement

exact, constant = sp.symbols("x C", real=True)
"""The right result, and the unknown factor of every error."""
fine, coarse = sp.symbols("x_fine x_coarse", real=True)
parts, order, span = sp.symbols("k p H", positive=True)
first, second = sp.symbols("a b", positive=True)
"""Two steps; together they are the long one."""
y, slope, later = sp.symbols("y f g", real=True)
"""State; slope at the start, and after the first step."""
z, m, m_later = sp.symbols("z m m_1", real=True)
"""State over alpha; data prediction at the start, and after the first step."""
node = sp.Symbol("c", positive=True)
u = sp.Symbol("u", real=True)


def held(h: sp.Expr) -> sp.Expr:
    """What holding the data prediction still misses over a step of h in lambda, for each unit of slope, in units of alpha."""
    return h - 1 + sp.exp(-h)


two_steps = y + first * slope + second * later
one_step = y + (first + second) * slope
by_powers = (first**2 + second**2) / ((first + second) ** 2 - first**2 - second**2)
ddim_one = sp.exp(-first - second) * z + (1 - sp.exp(-first - second)) * m
ddim_two = sp.exp(-second) * (sp.exp(-first) * z + (1 - sp.exp(-first)) * m) + (1 - sp.exp(-second)) * m_later
missed = sp.exp(-second) * held(first) + held(second)
by_moments = missed / (held(first + second) - missed)

STATEMENTS = (
    Statement(
        "richardson-on-equal-steps",
        fine + (fine - coarse) / (parts**order - 1),
        exact,
        given={fine: exact - constant * span ** (order + 1) / parts**order, coarse: exact - constant * span ** (order + 1)},
        assumptions="k equal steps of a method of order p, leading errors alone",
        note="k steps of H/k miss k^p times less than one step of H; their difference shows how much.",
        ranges={parts: (1.5, 4.0)},
    ),
    Statement(
        "extrapolated-euler-is-runge-kutta",
        two_steps + by_powers * (two_steps - one_step),
        y + (first + second) * ((1 - 1 / (2 * node)) * slope + later / (2 * node)),
        given={node: first / (first + second)},
        note="Two steps of Euler and one across them make a Runge-Kutta method of two stages; equal steps make the midpoint rule.",
    ),
    Statement(
        "extrapolated-ddim-integrates-the-line",
        ddim_two + by_moments * (ddim_two - ddim_one),
        sp.exp(-first - second) * z
        + sp.Integral(sp.exp(u - first - second) * (m + (m_later - m) * u / first), (u, 0, first + second)),
        note="Two steps of DDIM and one across them integrate the line through both data predictions exactly: DPM-Solver++(2S).",
    ),
)
