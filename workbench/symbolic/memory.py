"""Finite data sets: where their flow ends, when a point is recognized, and what smoothing keeps."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import sigma, variance, x

point, start, center = sp.symbols("x_i sigma_T c", positive=True)
blur = sp.Symbol("h", positive=True)
color_a, color_b, weight_a, weight_b = sp.symbols("a b w_a w_b", positive=True)

path = sp.Function("x", real=True)(sigma)
straight = point + sigma / start * (x - point)

other = sp.Symbol("y", real=True)
prior = sp.exp(-(other**2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)
likeness = sp.exp(-((x - other) ** 2) / (2 * sigma**2))
total = variance + sigma**2
average_likeness = sigma / sp.sqrt(total) * sp.exp(-(x**2) / (2 * total))
information = sp.log(1 + variance / sigma**2) / 2
rule = (weight_a * color_a + weight_b * color_b) / (weight_a + weight_b)
loss = weight_a * (center - color_a) ** 2 + weight_b * (center - color_b) ** 2

STATEMENTS = (
    Statement(
        "flow-to-a-point",
        sp.Derivative(path, sigma),
        (path - point) / sigma,
        {path: straight},
        note="Where one data point has all the weight, the flow runs straight into it.",
    ),
    Statement(
        "likeness-of-a-stranger",
        sp.Integral(prior * likeness, (other, -sp.oo, sp.oo)),
        average_likeness,
        note="How well a data point that is not the right one explains a noisy value, on average over such points.",
    ),
    Statement(
        "recognition-is-information",
        -sp.log(average_likeness) - sp.Rational(1, 2),
        information,
        {x: sp.sqrt(total)},
        note="At a noisy value of typical size a stranger is less likely than the truth by a factor exp of the mutual information.",
    ),
    Statement(
        "best-constant-rule",
        loss,
        (weight_a + weight_b) * (center - rule) ** 2 + weight_a * weight_b / (weight_a + weight_b) * (color_a - color_b) ** 2,
        note="Among rules that must give one answer to several cases the weighted mean of the cases is best.",
    ),
    Statement(
        "smoothing-keeps-the-variance",
        (1 - blur**2) * variance + blur**2 * variance,
        variance,
        assumptions="a data set of variance Lambda, shrunk by sqrt(1 - h^2) and blurred by h",
        note="Points drawn together and blurred as much keep the variance.",
    ),
)
