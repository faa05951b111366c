"""What a formula can do for a network: the best affine guess, the size of what it leaves over, and how fast that vanishes in noise."""

import sympy as sp

from workbench.symbolic.gaussian import gain, mmse, total
from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, mu, sigma, variance

s = sp.Symbol("s", positive=True)
"""EDM's sigma_data."""
slope, offset = sp.symbols("a b", real=True)
norm = sp.sqrt(sigma**2 + alpha**2 * s**2)
base, scale = s**2 * alpha / norm**2, s * sigma / norm
"""EDM's c_skip and c_out, for a network that is asked in x."""

u, z = sp.Symbol("u", positive=True), sp.Symbol("z", real=True)
"""1 / sigma, and x / sigma."""
coin, coin_gaussian = sp.tanh(u * z), u * z / (1 + u**2)
"""The data +1 and -1 with equal chances: exact denoiser and best affine one, at x = z / u."""

STATEMENTS = (
    Statement(
        "best-affine-denoiser",
        (1 - slope * alpha) ** 2 * variance + slope**2 * sigma**2 + (mu - slope * alpha * mu - offset) ** 2,
        mmse + (slope - gain) ** 2 * total + (mu - slope * alpha * mu - offset) ** 2,
        note="The error of any affine guess a x + b, for any law with this mean and variance: smallest for the Gaussian's denoiser.",
    ),
    Statement(
        "skip-is-a-regression",
        (1 - slope * alpha) ** 2 * s**2 + slope**2 * sigma**2,
        scale**2 + (slope - base) ** 2 * norm**2,
        note="What a x leaves of x_0 is smallest for a = c_skip, the covariance of x_0 with x divided by the variance of x.",
    ),
    Statement(
        "target-of-unit-variance",
        ((1 - base * alpha) ** 2 * s**2 + base**2 * sigma**2) / scale**2,
        sp.Integer(1),
        note="What c_skip x leaves of x_0, divided by c_out, has variance 1.",
    ),
    Statement(
        "posterior-variance-is-concave",
        sp.Derivative(mmse, variance, variance),
        -2 * alpha**2 * sigma**4 / total**3,
        note="So a spectrum leaves less over than its average does (Jensen).",
    ),
    Statement(
        "coin-beyond-the-gaussian",
        sp.Limit((coin - coin_gaussian) / u**3, u, 0),
        z - z**3 / 3,
        note="In heavy noise the coin's denoiser differs from the best affine one by (3 z - z^3) / (3 sigma^3).",
    ),
)
