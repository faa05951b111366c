"""Far above the data: which cumulant a Gaussian misses first, what that costs, and what a jump along its flow leaves behind."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import sigma, variance

z = sp.Symbol("z", real=True)
"""A noisy state in units of the noise, x = sigma z."""
small = sp.Symbol("epsilon", positive=True)
"""1 / sigma."""
k2 = sp.Symbol("kappa_2", positive=True)
k3, k4 = sp.symbols("kappa_3 kappa_4", real=True)
moments = {0: 1, 1: 0, 2: k2, 3: k3, 4: k4 + 3 * k2**2}
"""E x_0^n of centered data, in its cumulants."""


def tilt(order: int = 4) -> sp.Expr:
    """log E exp(x x_0 / sigma^2 - x_0^2 / (2 sigma^2)) to a power of 1 / sigma: log q(x), up to the Gaussian -z^2 / 2."""
    data = sp.Symbol("x_0")
    exponent = small * z * data - small**2 * data**2 / 2
    series = sum(exponent**n / sp.factorial(n) for n in range(1, order + 1))
    terms = sp.Poly(sp.expand(series), small, data).terms()
    inside = sum(c * small**i * moments[j] for (i, j), c in terms if i <= order)
    log = sum((-1) ** (n + 1) * inside**n / n for n in range(1, order + 1))
    return sum(sp.expand(log).coeff(small, n) * small**n for n in range(1, order + 1))


expansion = tilt()
hermite = {2: z**2 - 1, 3: z * (z**2 - 3), 4: z**4 - 6 * z**2 + 3}
"""He_n(z), the polynomials that are orthogonal under N(0, 1)."""
normal = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)


def cost(order: int, kappa: sp.Expr) -> sp.Expr:
    """E (d/dz kappa He_n / n!)^2 under N(0, 1)."""
    slope = sp.diff(kappa * hermite[order] / sp.factorial(order), z)
    return sp.Integral(sp.expand(slope**2) * normal, (z, -sp.oo, sp.oo))


guess = sp.Symbol("v", positive=True)
"""The one variance that an isotropic law uses for every direction."""
rho, push = sp.symbols("rho delta", positive=True)
first, last, k, j, n = sp.symbols("r_0 r_n k j n", positive=True)


def ramp(i: sp.Expr) -> sp.Expr:
    """(sigma / alpha)^(1 / rho) of point i on a Karras grid."""
    return first + (last - first) * i / n


STATEMENTS = (
    Statement(
        "far-field-skewness",
        expansion.coeff(small, 3),
        k3 * hermite[3] / 6,
        note="The first trace of non-Gaussian data in log q: the third cumulant, at the third power of 1 / sigma.",
    ),
    Statement(
        "far-field-kurtosis",
        expansion.coeff(small, 4) - expansion.coeff(small, 4).subs(k4, 0),
        k4 * hermite[4] / 24,
        note="The next trace, and the first one of symmetric data: the fourth cumulant.",
    ),
    Statement(
        "far-field-wrong-variance",
        expansion.coeff(small, 2) - expansion.coeff(small, 2).subs(k2, guess),
        (k2 - guess) * hermite[2] / 2,
        note="A law with a wrong variance already differs at the second power of 1 / sigma.",
    ),
    Statement(
        "cost-of-a-wrong-variance", cost(2, k2), k2**2, note="Mean square of the score's error for a variance off by kappa_2."
    ),
    Statement(
        "cost-of-skewness", cost(3, k3), k3**2 / 2, note="Mean square of the score that a missed third cumulant leaves over."
    ),
    Statement(
        "cost-of-kurtosis", cost(4, k4), k4**2 / 6, note="Mean square of the score that a missed fourth cumulant leaves over."
    ),
    Statement(
        "isotropic-baseline",
        (1 / (variance + sigma**2) - 1 / (guess + sigma**2)) ** 2 * (variance + sigma**2),
        (variance - guess) ** 2 / ((variance + sigma**2) * (guess + sigma**2) ** 2),
        note="Score error of an isotropic law along one direction of a Gaussian.",
    ),
    Statement(
        "edm-without-network",
        guess / (sigma**2 + guess),
        1 - sigma**2 / (sigma**2 + guess),
        note="c_skip of EDM is the gain of the Wiener filter of N(0, v).",
    ),
    Statement(
        "push-reaches-the-data",
        sp.Derivative(push * sp.sqrt(variance + rho**2), rho),
        rho / (variance + rho**2) * push * sp.sqrt(variance + rho**2),
        note="Two neighboring paths of a Gaussian's flow stay apart in proportion to sqrt(Lambda + rho^2).",
    ),
    Statement(
        "karras-tail",
        ramp(k) + (last - ramp(k)) * j / (n - k),
        ramp(k + j),
        note="A Karras grid of n - k steps that starts at point k of one with n steps is the rest of it.",
        ranges={n: (8, 9), k: (2, 3), j: (1, 2)},
    ),
)
