"""Rounding as noise: its variance, and where a smaller range pays."""

import sympy as sp

from workbench.symbolic.statements import Statement

step = sp.Symbol("Delta", positive=True)
error = sp.Symbol("e", real=True)
place = sp.Symbol("f", nonnegative=True)
"""Where a number lies between two levels, as a share of the step."""
_below = sp.Symbol("k", integer=True)
clip = sp.Symbol("c", positive=True)
levels = sp.Symbol("Q", positive=True)
"""Positive levels of a symmetric quantizer; the outermost are -c and c."""
tail = 1 - sp.erf(clip / sp.sqrt(2))
"""P(|x| > c) for x ~ N(0, 1)."""
density = sp.exp(-(clip**2) / 2) / sp.sqrt(2 * sp.pi)
_x = sp.Symbol("x", real=True)
_normal = sp.exp(-(_x**2) / 2) / sp.sqrt(2 * sp.pi)

granular = (clip / levels) ** 2 / 12 * (1 - tail)
"""What rounding loses inside the range."""
overload = (1 + clip**2) * tail - 2 * clip * density
"""What clipping loses outside."""

STATEMENTS = (
    Statement(
        "rounding-noise",
        sp.Integral(error**2 / step, (error, -step / 2, step / 2)),
        step**2 / 12,
        note="An error that is spread evenly over one step has this variance.",
    ),
    Statement(
        "stochastic-rounding-mean",
        place * (_below + 1) * step + (1 - place) * _below * step,
        (_below + place) * step,
        note="Going up with probability f and down otherwise keeps the mean.",
    ),
    Statement(
        "stochastic-rounding-variance",
        place * ((1 - place) * step) ** 2 + (1 - place) * (place * step) ** 2,
        place * (1 - place) * step**2,
        note="The variance of stochastic rounding is that of a coin: 0 on a level and largest halfway.",
    ),
    Statement(
        "stochastic-rounding-noise",
        sp.Integral(place * (1 - place) * step**2, (place, 0, 1)),
        step**2 / 6,
        note="On average over all places, chance costs twice what the nearest level does.",
    ),
    Statement(
        "uniform-signal-to-noise",
        sp.Integral(_x**2 / (2 * levels * step), (_x, -levels * step, levels * step)) / (step**2 / 12),
        (2 * levels) ** 2,
        note="Numbers spread evenly over the range stand above the noise by the square of 2 Q.",
    ),
    Statement(
        "clipped-tail",
        2 * sp.Integral((_x - clip) ** 2 * _normal, (_x, clip, sp.oo)),
        overload,
        note="What clipping a normal law at c loses.",
    ),
    Statement(
        "optimal-clip",
        sp.Derivative(granular + overload, clip),
        clip / (6 * levels**2) * (1 - tail) + clip**2 * density / (6 * levels**2) - 4 * density + 2 * clip * tail,
        note="The slope of the whole error: rounding grows with the range, clipping falls with it.",
    ),
)
