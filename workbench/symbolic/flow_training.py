"""Training a flow well: where the loss remains, how often a time is drawn, how a velocity is judged, and how a step is taken from it."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import t, variance

r = sp.Symbol("r", positive=True)
"""Correlation of a sample with its noise, along one direction."""
root = sp.sqrt(variance)
cost = 1 + variance - 2 * r * root
"""E (z - x_0)^2, without the mean."""
spread = (1 - t) ** 2 * variance + 2 * t * (1 - t) * r * root + t**2
"""w(t)^2, the variance of x_t."""
floor = variance * (1 - r**2) / spread
"""What no velocity predicts of z - x_0."""
worst_time = (variance - r * root) / cost
"""Where w is smallest; outside [0, 1] for r above min(sqrt(Lambda), 1 / sqrt(Lambda))."""
nearly_straight = variance / ((1 - t) * root + t) ** 2
"""The floor over 1 - r^2 as r goes to 1."""

a, u = sp.symbols("a u", positive=True)
half = sp.Rational(1, 2)
density = a * sp.cosh(a * (t - half)) / (2 * sp.sinh(a / 2))
"""U-shaped, on [0, 1]."""
share_before = half + sp.sinh(a * (t - half)) / (2 * sp.sinh(a / 2))
"""Its distribution function."""
quantile = half + sp.asinh((2 * u - 1) * sp.sinh(a / 2)) / a
spread_of_times = sp.Rational(1, 4) + 2 / a**2 - sp.coth(a / 2) / a
"""Its variance."""

m1, m2, p1 = sp.symbols("m_1 m_2 p", positive=True)
best_share = sp.sqrt(m1) / (sp.sqrt(m1) + sp.sqrt(m2))
"""Of the draws, for the first of two times whose losses have the mean squares m_1 and m_2."""

error, c, dim = sp.symbols("e c d", positive=True)
pseudo_huber = (sp.sqrt(error**2 + c**2) - c) / dim
"""Of a velocity that is off by a vector of length e."""

x, v, target, z, s = sp.symbols("x v v^* z s", real=True)
guess = x - t * v
"""The sample that the velocity v at x_t = x points back to."""
seen_noise = x + (1 - t) * v
"""The noise that it points ahead to."""
euler = x + (s - t) * v
kept_noise = (1 - s) * guess + s * z
"""The step of rfpp, with z the noise of the start."""
_first_round = spread.subs(r, 0)
_data = (1 - t) * variance / _first_round
_rest = _first_round * z / t

STATEMENTS = (
    Statement(
        "loss-at-the-worst-time",
        floor.subs(t, worst_time),
        cost,
        note="Where w is smallest the state says nothing of the velocity, and all of z - x_0 is loss.",
        ranges={variance: (0.3, 3), r: (0.1, 0.5)},
    ),
    Statement(
        "loss-of-nearly-straight-pairs",
        (floor / (1 - r**2)).subs(r, 1),
        nearly_straight,
        note="As the correlation goes to 1, the loss that remains shrinks like 1 - r^2 and takes this shape.",
    ),
    Statement(
        "nearly-straight-pairs-are-convex",
        sp.Derivative(nearly_straight, t, 2),
        6 * variance * (1 - root) ** 2 / ((1 - t) * root + t) ** 4,
        note="The shape is convex in every direction, so a sum over directions has no peak inside.",
    ),
    Statement(
        "u-shape-is-a-mixture",
        a / (sp.exp(a) - 1) * (sp.exp(a * t) + sp.exp(a * (1 - t))) / 2,
        density.rewrite(sp.exp),
        note="Half of the times from a density that rises as e^(a t), half from its mirror image.",
    ),
    Statement(
        "u-shape-distribution",
        sp.Derivative(share_before, t),
        density,
        note="The distribution function of the U-shaped density.",
    ),
    Statement(
        "u-shape-quantile",
        share_before,
        u,
        given={t: quantile},
        note="Inverted in closed form: a uniform number becomes a time.",
    ),
    Statement(
        "u-shape-variance",
        sp.Integral(sp.expand((t - half) ** 2 * density.rewrite(sp.exp)), (t, 0, 1)),
        spread_of_times.rewrite(sp.exp),
        note="From 1/12, uniform, at a = 0 to 1/4, all at the ends.",
    ),
    Statement(
        "two-times-drawn-best",
        (m1 / p1 + m2 / (1 - p1)).subs(p1, best_share),
        (sp.sqrt(m1) + sp.sqrt(m2)) ** 2,
        note="Two times drawn in proportion to the roots of their mean squares reach the bound of Cauchy and Schwarz.",
    ),
    Statement(
        "pseudo-huber-slope",
        sp.Derivative(pseudo_huber, error),
        error / sp.sqrt(error**2 + c**2) / dim,
        note="The gradient of a pseudo-Huber loss is shorter than 1 / d, however large the error.",
    ),
    Statement(
        "pseudo-huber-of-small-errors",
        sp.Limit(pseudo_huber / error**2, error, 0),
        1 / (2 * c * dim),
        note="Errors much smaller than c are squared.",
    ),
    Statement(
        "pseudo-huber-of-large-errors",
        sp.Limit(pseudo_huber / error, error, sp.oo),
        1 / dim,
        note="Errors much larger than c count with their length.",
    ),
    Statement(
        "sample-error-of-a-velocity",
        guess - guess.subs(v, target),
        t * (target - v),
        note="An error of the velocity moves the guess of the sample by t times as much.",
    ),
    Statement(
        "kept-noise-against-euler",
        kept_noise - euler,
        s * (z - seen_noise),
        note="The two steps differ by s times the difference between the first noise and the noise that is seen now.",
    ),
    Statement(
        "kept-noise-comes-to-rest",
        (1 - t) * _data * _rest + t * z,
        _rest,
        note="On the first round of Gaussian data, small steps with the noise kept rest at w^2 z / t and not on the flow.",
    ),
)
