"""A flow around the affine velocity of its pairs, one eigenvector at a time: data of variance Lambda, correlation r with their noise."""

import sympy as sp

from workbench.symbolic.gaussian import mmse, posterior_mean
from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, mu, sigma, t, variance, x

r, answer = sp.Symbol("r", real=True), sp.Symbol("F", real=True)
"""Correlation of a sample with its noise, and what a network says."""
root = sp.sqrt(variance)
spread = (1 - t) ** 2 * variance + 2 * t * (1 - t) * r * root + t**2
"""w(t)^2, the variance of x_t."""
growth = sp.diff(spread, t) / (2 * spread)
"""w' / w."""
velocity = -mu + growth * (x - (1 - t) * mu)
left = variance * (1 - r**2) / spread
"""The variance of z - x_0 that the affine velocity leaves over."""
apart = {r: sp.Integer(0)}
"""Independent pairs, where every denoiser starts."""
on_lines = {alpha: 1 - t, sigma: t}
stranger = left + (growth.subs(apart) - growth) ** 2 * spread
"""The loss of the affine velocity of independent pairs, on pairs with correlation r."""

STATEMENTS = (
    Statement(
        "left-by-affine-pairs",
        1 + variance - 2 * r * root - growth**2 * spread,
        left,
        note="The variance of z - x_0, less what its best affine guess from x_t explains.",
    ),
    Statement(
        "one-affine-step",
        x - velocity.subs(t, 1),
        mu + r * root * x,
        note="One Euler step of the affine flow maps noise to a Gaussian picture, each direction shrunk by its correlation.",
    ),
    Statement(
        "left-by-the-noise",
        left.subs(t, 1),
        (1 - r**2) * variance,
        note="From pure noise the share r^2 of the picture's variance is known.",
    ),
    Statement(
        "turned-denoiser",
        (x - (posterior_mean + sp.sqrt(mmse) * answer).subs(on_lines)) / t,
        velocity.subs(apart) - sp.sqrt(left.subs(apart)) * answer,
        note="What a network adds to the Gaussian's data prediction, it takes from the velocity, in units of what each leaves over.",
    ),
    Statement(
        "a-stranger-at-the-start",
        stranger.subs(t, 1) / left.subs(t, 1),
        1 / (1 - r**2),
        note="At t = 1 a flow that knows nothing of the pairs pays for all that the noise explains.",
    ),
)
