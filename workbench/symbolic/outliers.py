"""Outliers: what one large number costs its block, and what spreading, moving, cutting or keeping it gives back."""

import sympy as sp

from workbench.symbolic.rounding import clip, error, levels
from workbench.symbolic.statements import Statement

size = sp.Symbol("A", positive=True)
"""The outlier, in units of the others' root mean square."""
block = sp.Symbol("k", positive=True)
"""Numbers that share a step."""
seen, weight, alpha = sp.Symbol("X", positive=True), sp.Symbol("W", positive=True), sp.Symbol("alpha", real=True)
"""The largest activation of a channel, the largest weight it meets, and how far the one moves into the other."""
scale = seen**alpha / weight ** (1 - alpha)
"""SmoothQuant's factor for a channel."""
_half = sp.Rational(1, 2)


def noise(top: sp.Expr) -> sp.Expr:
    """The mean square of an error spread evenly over one step, with levels from -top to top."""
    step = top / levels
    return sp.Integral(error**2 / step, (error, -step / 2, step / 2))


clipped = block * clip**2 / (12 * levels**2) + (size - clip) ** 2
"""Squared error of a block with one outlier, clipped at c."""
best_clip = size / (1 + block / (12 * levels**2))
"""Where that is least."""

first, second = sp.symbols("s_1 s_2", positive=True)
_p, _q = sp.symbols("p q", real=True)
_u, _v = (sp.Matrix([1, slope]) / sp.sqrt(1 + slope**2) for slope in (_p, _q))
_along = first * _u[0] * _v[0] + second * _u[1] * _v[1]
_rest = sp.diag(first, second) - _along * _u * _v.T

share = sp.Symbol("f", positive=True)
angle = sp.Symbol("y", positive=True)
_skew = sp.Matrix([[0, angle], [-angle, 0]]) / 2
_turned = (sp.eye(2) - _skew).inv() * (sp.eye(2) + _skew)

STATEMENTS = (
    Statement(
        "outlier-signal-to-noise",
        1 / noise(size),
        12 * levels**2 / size**2,
        note="One number A times as large as the others sets their step, and their signal-to-noise ratio falls with its square.",
    ),
    Statement(
        "hadamard-gain",
        noise(size) / noise(size / sp.sqrt(block)),
        block,
        note="Spread evenly over k numbers, an outlier alone leaves a step smaller by the root of k, and k times less noise.",
    ),
    Statement(
        "smoothed-activations",
        seen / scale,
        sp.sqrt(seen * weight),
        given={alpha: _half},
        note="Halfway, the largest activation of a channel becomes the geometric mean of both maxima.",
    ),
    Statement(
        "smoothed-weights",
        weight * scale,
        sp.sqrt(seen * weight),
        given={alpha: _half},
        note="And so does the largest weight that it meets.",
    ),
    Statement(
        "clipped-outlier-slope",
        sp.Derivative(clipped, clip),
        2 * (1 + block / (12 * levels**2)) * (clip - best_clip),
        note="The error of a block with one outlier falls up to this clip, and rises beyond it.",
    ),
    Statement(
        "clipped-outlier-least",
        clipped,
        block * size**2 / (12 * levels**2) / (1 + block / (12 * levels**2)),
        given={clip: best_clip},
        note="The best clip divides the error by 1 + k / (12 Q^2), whatever the size of the outlier.",
    ),
    Statement(
        "rank-one-left-over",
        sum(entry**2 for entry in _rest),
        first**2 + second**2 - _along**2,
        note="A matrix of rank one takes away the square of what it has along its own directions, at most the largest singular value.",
    ),
    Statement(
        "stretched-sigmoid",
        sp.Rational(6, 5) / (1 + sp.exp(-sp.log((share + sp.Rational(1, 10)) / (sp.Rational(11, 10) - share))))
        - sp.Rational(1, 10),
        share,
        note="Learned rounding starts at the place of the weight between its two levels, so at the weight itself.",
    ),
    Statement(
        "cayley-turns",
        _turned[0, 1],
        sp.sin(2 * sp.atan(angle / 2)),
        note="In the plane Cayley's step is a rotation by twice the arc tangent of half the rate.",
    ),
)
