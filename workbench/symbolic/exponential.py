"""Exponential integrators: the flow in lambda, the integrals of polynomials, and what makes two or three looks second or third order."""

import sympy as sp

from workbench.symbolic.flow import alpha, now, sigma, t
from workbench.symbolic.statements import Statement

D, E = sp.symbols("D E", real=True)
"""The model's two answers at x = alpha D + sigma E."""
h, z, u = sp.symbols("h z u", positive=True)
g, r1, r2 = sp.symbols("g r_1 r_2", positive=True)

clock = sp.log(alpha / sigma)
state = alpha * D + sigma * E
velocity = alpha.diff(t) * D + sigma.diff(t) * E


def along(scale: sp.Expr) -> sp.Expr:
    """d(x / scale) / dlambda along the flow."""
    return (velocity / scale - state * scale.diff(t) / scale**2) / clock.diff(t)


def phi(k: int, argument: sp.Expr) -> sp.Expr:
    """phi_k, written out."""
    return (sp.exp(argument) - sum(argument**j / sp.factorial(j) for j in range(k))) / argument**k


def weight(k: int, face: str) -> sp.Expr:
    """What an answer that grows like u^k / k! adds in a step of h, in units of alpha_s (data) or -sigma_s (noise)."""
    sign = 1 if face == "data" else -1
    return sp.exp(-sign * h) * sp.Integral(sp.exp(sign * u) * u**k / sp.factorial(k), (u, 0, h))


def exact(k: int, face: str) -> Statement:
    """The k-th of them in closed form."""
    argument = -h if face == "data" else h
    return Statement(
        f"exponential-weight-{face}-{k}",
        weight(k, face),
        h ** (k + 1) * phi(k + 1, argument),
        note=f"The exact weight of the derivative number {k} of the {face} prediction.",
    )


published = {g: r2 * (3 * r2 - 2) / (r1 * (2 - 3 * r1))}
apart = {r1: (0.1, 0.3), r2: (0.4, 0.9)}

STATEMENTS = (
    Statement(
        "flow-in-lambda-noise",
        now(along(alpha)),
        now(-sigma / alpha * E),
        note="In lambda, x / alpha moves with the noise prediction alone; -sigma / alpha is -exp(-lambda).",
    ),
    Statement(
        "flow-in-lambda-data",
        now(along(sigma)),
        now(alpha / sigma * D),
        note="In lambda, x / sigma moves with the data prediction alone; alpha / sigma is exp(lambda).",
    ),
    *(exact(k, face) for face in ("data", "noise") for k in range(3)),
    Statement(
        "phi-recurrence",
        phi(3, z),
        (phi(2, z) - sp.Rational(1, 2)) / z,
        note="Each phi function follows from the one before.",
    ),
    Statement(
        "midpoint-is-nearly-taylor",
        phi(1, z) / 2 - phi(2, z),
        z * (phi(2, z) / 2 - phi(3, z)),
        note="The two second-order corrections differ by one more power of the step.",
    ),
    Statement(
        "third-order-parabola",
        g * r1**2 + r2**2,
        sp.Rational(2, 3) * (g * r1 + r2),
        published,
        note="With this g the weighted line has the mean value of every parabola: the condition on b and c^2.",
        ranges=apart,
    ),
    Statement(
        "third-order-stage",
        (g * r1 / 2 + r2**2 / (2 * r1)) * r1 / (g * r1 + r2) / 2,
        sp.Rational(1, 6),
        published,
        note="With this g the second inner look is reached well enough: the condition on b, a and c.",
        ranges=apart,
    ),
)
