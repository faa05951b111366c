"""What order means and buys: DDIM by other roads, one step on a Gaussian as a turn, break-even prices, extrapolation."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.steps import data, ddim_step
from workbench.symbolic.symbols import alpha_s, alpha_t, sigma_s, sigma_t, variance, x

kick = sp.Symbol("s", positive=True)
"""Standard deviation of the fresh noise in one step of the chain."""
chain_mean = alpha_s * data + sp.sqrt(sigma_s**2 - kick**2) * (x - alpha_t * data) / sigma_t
euler_in_alpha_over_sigma = sigma_s * (x / sigma_t + (alpha_s / sigma_s - alpha_t / sigma_t) * data)

t = sp.Symbol("t", positive=True)
alpha, sigma = (sp.Function(name, positive=True)(t) for name in ("alpha", "sigma"))
spread = sp.sqrt(alpha**2 * variance + sigma**2)
"""Standard deviation of the noisy state, for data of variance Lambda."""
gaussian_velocity = (alpha.diff(t) * alpha * variance + sigma.diff(t) * sigma) * x / spread**2

rho_t, rho_s, theta, theta_t, theta_s = sp.symbols("rho_t rho_s theta theta_t theta_s", positive=True)
euler_factor = 1 + (rho_s - rho_t) * rho_t / (variance + rho_t**2)
exact_factor = sp.sqrt((variance + rho_s**2) / (variance + rho_t**2))

n, first, second = sp.symbols("n C_1 C_2", positive=True)
truth, linear, square = sp.symbols("x_* c b", real=True)
y, h, slope, inner = sp.symbols("y h k_1 k_2", real=True)
fine, coarse = sp.symbols("x_2n x_n", real=True)


def ending(steps: sp.Expr) -> sp.Expr:
    """Where a first-order method ends after so many steps."""
    return truth + linear / steps + square / steps**2


STATEMENTS = (
    Statement(
        "ddim-from-a-chain",
        sp.Limit(chain_mean, kick, 0),
        ddim_step,
        note="Without fresh noise the chain that keeps all marginals is DDIM.",
    ),
    Statement(
        "euler-in-alpha-over-sigma-is-ddim",
        euler_in_alpha_over_sigma,
        ddim_step,
        note="Euler's method for x / sigma in the variable alpha / sigma is DDIM too.",
    ),
    Statement(
        "gaussian-velocity-is-growth",
        gaussian_velocity,
        sp.Derivative(sp.log(spread), t) * x,
        note="On centered Gaussian data the flow scales a state like its standard deviation; Euler in t follows the tangent of that.",
    ),
    Statement(
        "ddim-step-is-a-turn",
        euler_factor / exact_factor,
        sp.expand_trig(sp.cos(theta_t - theta_s)),
        {theta_t: sp.atan(rho_t / sp.sqrt(variance)), theta_s: sp.atan(rho_s / sp.sqrt(variance))},
        note="One DDIM step on a Gaussian keeps the cosine of its turn in theta = arctan(rho / sqrt(Lambda)), exactly.",
    ),
    Statement(
        "equal-turns-are-best",
        sp.Derivative(sp.log(sp.cos(theta)), theta, theta),
        -1 / sp.cos(theta) ** 2,
        note="The logarithm of the cosine is concave, so of all grids the one with equal turns loses least.",
    ),
    Statement(
        "break-even-of-two-orders",
        first / n,
        second * (2 / n) ** 2,
        {n: 4 * second / first},
        note="First order with n evaluations and second order with n / 2 steps have the same error at n = 4 C_2 / C_1.",
    ),
    Statement(
        "extrapolation-removes-the-first-error",
        2 * fine - coarse,
        truth - square / (2 * n**2),
        {fine: ending(2 * n), coarse: ending(n)},
        note="Two runs of a first-order method, with n and 2 n steps, make a second-order one.",
    ),
    Statement(
        "extrapolated-euler-is-midpoint",
        2 * fine - coarse,
        y + h * inner,
        {fine: y + h / 2 * slope + h / 2 * inner, coarse: y + h * slope},
        note="Extrapolate each Euler step with its two halves, and the midpoint method is what comes out.",
    ),
)
