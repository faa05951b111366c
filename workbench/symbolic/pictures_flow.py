"""A flow around the affine velocity of its pairs, one eigenvector at a time: data of variance Lambda, correlation r with their noise."""

import sympy as sp

from workbench.symbolic.gaussian import mmse, posterior_mean
from workbench.symbolic.matching import apart, growth, r, root, square, velocity
from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, mu, sigma, t, variance, x

answer = sp.Symbol("F", real=True)
"""What a network says."""
left = variance * (1 - r**2) / square
"""The variance of z - x_0 that the affine velocity leaves over."""
on_lines = {alpha: 1 - t, sigma: t}
stranger = left + (growth.subs(apart) - growth) ** 2 * square
"""The loss of the affine velocity of independent pairs, on pairs with correlation r."""

STATEMENTS = (
    Statement(
        "one-affine-step",
        x - velocity.subs(t, 1),
        mu + r * root * x,
        note="One Euler step of the affine flow maps noise to a Gaussian picture, each direction shrunk by its correlation.",
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
