"""Optimizers with few bits: what a stored moment does to a step."""

import sympy as sp

from workbench.symbolic.statements import Statement

scale = sp.Symbol("N", positive=True)
"""The normalizer of an entry: the largest number that its levels reach."""
first_level = sp.Symbol("c_1", positive=True)
"""The smallest level above 0."""
eps = sp.Symbol("epsilon", positive=True)
bits = sp.Symbol("b", positive=True)
place = sp.Symbol("k", positive=True)
level = sp.Symbol("c", positive=True)
below = sp.Symbol("d", positive=True)
"""A level, and the one below it."""
decay = sp.Symbol("beta", positive=True)
variance = sp.Symbol("V", positive=True)
settled = sp.Symbol("W", positive=True)
"""The variance of one rounding, and what it settles at in a moving average."""
_m, _v = sp.symbols("m v", positive=True)
_r1, _r2, _c1, _c2 = sp.symbols("r_1 r_2 gamma_1 gamma_2", positive=True)
_mean = sp.Symbol("mu", positive=True)

STATEMENTS = (
    Statement(
        "zero-divides",
        (1 / eps) / (1 / (sp.sqrt(scale * first_level / 2) + eps)),
        1 + sp.sqrt(scale * first_level / 2) / eps,
        note="The largest v that is rounded to 0 makes a step too long by this factor.",
    ),
    Statement(
        "smallest-level-bounds",
        1 / sp.sqrt(scale * level),
        2 ** (bits / 2) / sp.sqrt(scale),
        given={level: 2**-bits},
        note="Without 0 the smallest of evenly spaced levels is 2^-b, and bounds what a step is divided by.",
    ),
    Statement(
        "longest-step",
        sp.sqrt((place + sp.Rational(1, 2)) / place),
        sp.sqrt(1 + 1 / (2 * place)),
        note="A number just below the middle of the levels k and k + 1 is stored as k, and the step is too long by this factor.",
    ),
    Statement(
        "half-the-relative-error",
        sp.Derivative(_m / sp.sqrt(_v), _v) * _v / (_m / sp.sqrt(_v)),
        -sp.Rational(1, 2),
        note="To first order a relative error of v is halved on its way into the step.",
    ),
    Statement(
        "level-that-stays",
        decay * level - (level + below) / 2,
        ((2 * decay - 1) * level - below) / 2,
        note="A level that decays by beta stays above the middle to the next one, and is rounded back, while that one is below (2 beta - 1) c.",
    ),
    Statement(
        "chance-in-a-moving-average",
        decay**2 * settled + variance,
        variance / (1 - decay**2),
        given={settled: variance / (1 - decay**2)},
        note="Rounding by chance in every step adds up in a moving average: at beta = 0.999 to 500 times the variance of one rounding.",
    ),
    Statement(
        "factors-keep-means",
        (_r1 * _c1 / _mean + _r1 * _c2 / _mean) / 2,
        _r1,
        given={_mean: (_c1 + _c2) / 2},
        note="Entries made from the means of rows and columns have the rows' own means again, here for two columns.",
    ),
)
