"""Training a denoiser: where the losses stop falling, and what averaging the weights does to their noise."""

import sympy as sp

from workbench.symbolic.gaussian import mmse, total
from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, sigma

slope = sp.Symbol("a", real=True)
"""Of a linear score, s(x) = -a x, on Gaussian data of mean 0."""
score_matching = (slope - 1 / total) ** 2 * total
"""E (s(x) - exact score)^2."""
denoising_score_matching = slope**2 * total - 2 * slope + 1 / sigma**2
"""E (s(x) + eps / sigma)^2, since E x eps = sigma."""

beta, r = sp.symbols("beta r", positive=True)
"""Decay of the average; correlation of the weights with those one step before."""
age = beta / (1 - beta)
"""How many steps old the weights in the average are, on average: each step a share beta of them gets one step older."""
covariance_with_average = (1 - beta) / (1 - beta * r)
"""E a w for weights w of variance 1: a = beta a' + (1 - beta) w, and E a' w = r E a' w'."""
averaged_variance = (1 - beta) / (1 + beta) * (1 + beta * r) / (1 - beta * r)
"""Variance of the average, for weights of variance 1."""
_rate, _curvature = sp.symbols("eta h", positive=True)
_noise = sp.Symbol("q", positive=True)

STATEMENTS = (
    Statement(
        "denoising-score-matching",
        denoising_score_matching - score_matching,
        alpha**2 / sigma**4 * mmse,
        note="Two losses that differ by a constant: what noise hides of the data, in units of the score.",
    ),
    Statement(
        "noise-floor",
        1 - sigma**2 / total,
        alpha**2 / sigma**2 * mmse,
        note="The variance that the noise keeps when x is known is that of the data, exchanged at the rate alpha / sigma.",
    ),
    Statement(
        "stationary-weights",
        (1 - _rate * _curvature) ** 2 * _rate * _noise / (_curvature * (2 - _rate * _curvature)) + _rate**2 * _noise,
        _rate * _noise / (_curvature * (2 - _rate * _curvature)),
        note="Gradient noise q and a constant rate eta keep weights trembling with a variance that grows with eta.",
    ),
    Statement(
        "averaged-weights",
        beta**2 * averaged_variance + 2 * beta * (1 - beta) * r * covariance_with_average + (1 - beta) ** 2,
        averaged_variance,
        note="The variance of an exponential average reproduces itself in a step.",
    ),
    Statement(
        "age-of-an-average",
        beta * (age + 1),
        age,
        note="The mean age of the weights in an average reproduces itself in a step.",
    ),
)
