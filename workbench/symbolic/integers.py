"""Training with few bits: noise passed on by a layer, two pieces of a gradient, and which rows of a sum to keep."""

import sympy as sp

from workbench.symbolic.statements import Statement

step = sp.Symbol("Delta", positive=True)
place = sp.Symbol("f", nonnegative=True)
weights = sp.symbols("w1:3", real=True)
"""Two entries of a row of weights."""
places = sp.symbols("f1:3", nonnegative=True)
_up = (0, 1)


def _coin(function: sp.Expr, coins: tuple[sp.Symbol, ...], chances: tuple[sp.Expr, ...]) -> sp.Expr:
    """The mean of a function of two coins that are 1 with these chances."""
    out = sp.Integer(0)
    for a in _up:
        for b in _up:
            weight = (chances[0] if a else 1 - chances[0]) * (chances[1] if b else 1 - chances[1])
            out += weight * function.subs({coins[0]: a, coins[1]: b})
    return out


_b = sp.symbols("b1:3", real=True)
_moved = sum(w * step * (b - f) for w, b, f in zip(weights, _b, places, strict=True))

chance = sp.symbols("p1:3", positive=True)
"""Probabilities of keeping a row."""
rows = sp.symbols("r1:3", real=True)
"""One entry of each row's contribution."""
score = sp.symbols("c1:3", positive=True)
_estimate = sum(b / p * r for b, p, r in zip(_b, chance, rows, strict=True))

keep, price = sp.Symbol("p", positive=True), sp.Symbol("lambda", positive=True)
one = sp.Symbol("c", positive=True)
top, base = sp.symbols("Q B", positive=True)
"""The largest code of a piece, and the base."""

STATEMENTS = (
    Statement(
        "rounded-layer-mean",
        _coin(_moved, _b, places) + sum(w * (f + 1) * step for w, f in zip(weights, places, strict=True)),
        sum(w * (f + 1) * step for w, f in zip(weights, places, strict=True)),
        note="What rounding by chance adds to a linear layer of two numbers is 0 on average.",
    ),
    Statement(
        "rounded-layer-variance",
        _coin(_moved**2, _b, places),
        step**2 * sum(w**2 * f * (1 - f) for w, f in zip(weights, places, strict=True)),
        note="The variance behind a linear layer adds up over its inputs, with the squares of the weights.",
    ),
    Statement(
        "sampled-sum-mean",
        _coin(_estimate, _b, chance),
        sum(rows),
        note="Keeping rows by chance, and dividing by the chance, keeps the sum on average.",
    ),
    Statement(
        "sampled-sum-variance",
        _coin((_estimate - sum(rows)) ** 2, _b, chance),
        sum((1 - p) / p * r**2 for p, r in zip(chance, rows, strict=True)),
        note="The variance of a sampled sum adds up over its rows.",
    ),
    Statement(
        "leverage-slope",
        sp.Derivative((1 - keep) / keep * one**2 + price * keep, keep),
        price - one**2 / keep**2,
        note="With a price on every kept row, the slope is zero where the probability is the score over the root of the price.",
    ),
    Statement(
        "leverage-beats-any-other",
        sum(c**2 / p for c, p in zip(score, chance, strict=True)) * sum(chance) - sum(score) ** 2,
        (score[0] * chance[1] - score[1] * chance[0]) ** 2 / (chance[0] * chance[1]),
        note="By Cauchy and Schwarz no probabilities of the same budget do better than the scores: the difference is a square.",
    ),
    Statement(
        "largest-code-of-two-pieces",
        top * base + top,
        top * (2 * top + 1),
        given={base: 2 * top},
        note="With the largest base that leaves a rest of at most Q, two pieces reach to Q (2 Q + 1) steps.",
    ),
)
