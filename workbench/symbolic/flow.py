"""The flow of a Gaussian: noising as a diffusion, as an ordinary differential equation, and its exact solution."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import mu, t, variance, x

alpha = sp.Function("alpha", positive=True)(t)
sigma = sp.Function("sigma", positive=True)(t)
alpha_dot, sigma_dot = alpha.diff(t), sigma.diff(t)
total = alpha**2 * variance + sigma**2
density = sp.exp(-((x - alpha * mu) ** 2) / (2 * total)) / sp.sqrt(2 * sp.pi * total)
score = -(x - alpha * mu) / total
data = mu + alpha * variance / total * (x - alpha * mu)
velocity = alpha_dot * data + sigma_dot * (x - alpha * data) / sigma
drift = alpha_dot / alpha * x
diffusion = 2 * sigma * sigma_dot - 2 * alpha_dot / alpha * sigma**2
"""The square of the diffusion coefficient, g squared."""
c = sp.Symbol("c", real=True)
path = alpha * mu + sp.sqrt(total) * c

# A polynomial pair for the numeric spot checks and for the proofs that need no special schedule: alpha, sigma and their
# derivatives are four independent numbers at a time, so they are replaced by symbols once all derivatives are taken.
a, b, a_dot, b_dot = sp.symbols(r"alpha sigma \dot{\alpha} \dot{\sigma}", positive=True)
at_a_time = {alpha_dot: a_dot, sigma_dot: b_dot, alpha: a, sigma: b}


def now(expression: sp.Expr) -> sp.Expr:
    """The expression at one time: functions and their derivatives become numbers of their own."""
    expression = expression.doit()
    for function, symbol in at_a_time.items():
        expression = expression.subs(function, symbol)
    return expression


STATEMENTS = (
    Statement("score", now(sp.diff(sp.log(density), x)), now(score), note="The score of the noisy Gaussian."),
    Statement(
        "fokker-planck",
        now(density.diff(t) / density),
        now((-(drift * density).diff(x) + diffusion * density.diff(x, 2) / 2) / density),
        note="The noising diffusion dx = f dt + g dw moves the density of x_t; both sides divided by it.",
    ),
    Statement(
        "probability-flow",
        now(velocity),
        now(drift - diffusion * score / 2),
        note="The velocity face is the drift minus half the squared diffusion times the score.",
    ),
    Statement(
        "continuity",
        now(density.diff(t) / density),
        now(-(velocity * density).diff(x) / density),
        note="Moving along the velocity, without noise, gives the same densities; both sides divided by them.",
    ),
    Statement(
        "gaussian-flow-map",
        now(path.diff(t)),
        now(velocity.subs(x, path)),
        note="x_t = alpha mu + sqrt(alpha^2 Lambda + sigma^2) c solves the probability flow for every constant c.",
    ),
)
