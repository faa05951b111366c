"""Finite steps along the flow: the variable in which Euler's method is DDIM, and what one step gets wrong."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, alpha_dot, alpha_s, alpha_t, sigma, sigma_dot, sigma_s, sigma_t, variance, x

noise, data = sp.symbols("E D", real=True)
drift, diffusion = sp.symbols("f g^2", real=True)
score, score_x = sp.symbols("s s_x", real=True)
eta = sp.Symbol("eta", nonnegative=True)
velocity = alpha_dot * (x - sigma * noise) / alpha + sigma_dot * noise
euler_in_rho = alpha_s * (x / alpha_t + (sigma_s / alpha_s - sigma_t / alpha_t) * (x - alpha_t * data) / sigma_t)

# What a process does to a density p in time dt, divided by p; p_x / p is the score s, and p_xx / p = s_x + s^2.
spread = score_x + score**2
noising = -drift - drift * x * score + diffusion / 2 * spread
pull = drift * x - (1 + eta**2) / 2 * diffusion * score
pull_x = drift - (1 + eta**2) / 2 * diffusion * score_x
denoising = pull_x + pull * score + eta**2 / 2 * diffusion * spread

# One direction of a Gaussian in rho: dy/drho = rho y / (Lambda + rho^2), solved by y = C sqrt(Lambda + rho^2).
y, h = sp.symbols("y h", positive=True)
rho, spacing = sp.symbols("rho c", positive=True)


def gaussian_slope(level: sp.Expr, state: sp.Expr) -> sp.Expr:
    """The noise prediction of centered Gaussian data at noise level `level`, for alpha = 1."""
    return level * state / (variance + level**2)


exact = y * sp.sqrt((variance + (rho + h) ** 2) / (variance + rho**2))
euler = y + h * gaussian_slope(rho, y)
midpoint = y + h * gaussian_slope(rho + h / 2, y + h / 2 * gaussian_slope(rho, y))
heun = y + h / 2 * (gaussian_slope(rho, y) + gaussian_slope(rho + h, euler))


def coefficient(step: sp.Expr, power: int) -> sp.Expr:
    """The coefficient of h^power in a step."""
    return sp.diff(step, h, power).subs(h, 0) / sp.factorial(power)


STATEMENTS = (
    Statement(
        "reverse-family",
        denoising,
        -noising,
        note="Backward in time, the drift f x - (1 + eta^2)/2 g^2 score with noise eta g undoes what noising does to any density.",
    ),
    Statement(
        "flow-in-rho",
        (velocity / alpha - x * alpha_dot / alpha**2) / (sigma_dot / alpha - sigma * alpha_dot / alpha**2),
        noise,
        note="In y = x / alpha and rho = sigma / alpha the flow is dy/drho = E.",
    ),
    Statement(
        "euler-in-rho-is-ddim",
        euler_in_rho,
        alpha_s * data + sigma_s * (x - alpha_t * data) / sigma_t,
        note="Euler's method in rho is DDIM.",
    ),
    Statement(
        "euler-on-a-gaussian",
        coefficient(exact - euler, 2),
        variance * y / (2 * (variance + rho**2) ** 2),
        note="One Euler step on a Gaussian errs by half the curvature of its path.",
    ),
    Statement(
        "midpoint-on-a-gaussian",
        coefficient(midpoint, 3),
        coefficient(exact, 3),
        note="On every Gaussian the midpoint method is right up to the cube of the step: there it looks third order.",
    ),
    Statement(
        "heun-on-a-gaussian",
        coefficient(exact - heun, 3),
        variance * rho * y / (2 * (variance + rho**2) ** 3),
        note="Heun's does not.",
    ),
    Statement(
        "ddim-pales-every-mode-alike",
        sp.Integral(spacing * rho * variance / (2 * (variance + rho**2) ** 2), (rho, 0, sp.oo)),
        spacing / 4,
        note="With steps equal in log rho, DDIM scales every mode by about exp(-c/4), whatever its variance.",
    ),
)
