"""Gradients through a rounded memory: what keeps its mean, what does not, and how bits are shared out."""

import sympy as sp

from workbench.symbolic.statements import Statement

step, reach, levels = sp.symbols("Delta R B", positive=True)
"""A step, the distance from the smallest to the largest number of a group, and the number of steps between them."""
place = sp.Symbol("f", nonnegative=True)
"""Where a number lies between two levels, as a share of the step."""
x, y, gradient, other = sp.symbols("x y g h", real=True)
"""Two saved numbers, and the gradients that come back to them."""
first, second, third = sp.symbols("a_0 a_1 a_2", real=True)
noise, noise_2 = sp.symbols("s t", real=True)
worth, worth_2, size, size_2 = sp.symbols("k_1 k_2 n_1 n_2", positive=True)
"""Of two tensors: sensitivity for each number, c / n, and how many numbers."""
center = sp.Symbol("G", positive=True)
"""The mean of c / n, geometric and weighted with the numbers."""
mean_bits = sp.Symbol("b", positive=True)

_up, _down = (1 - place) * step, -place * step


def by_chance(function: sp.Expr, at: sp.Symbol) -> sp.Expr:
    """The mean of ``function`` when ``at`` is rounded by chance: up with probability f, down otherwise."""
    return place * function.subs(at, at + _up) + (1 - place) * function.subs(at, at + _down)


_e = sp.Symbol("e", real=True)
_parabola = first + second * _e + third * _e**2
_pull = x * (gradient * x + other * y)
_kick = [(a, b) for a in (noise, -noise) for b in (noise_2, -noise_2)]

share = mean_bits + sp.log(worth / center, 2) / 2
share_2 = mean_bits + sp.log(worth_2 / center, 2) / 2
"""The best bits of the two tensors."""
_mean = {center: worth ** (size / (size + size_2)) * worth_2 ** (size_2 / (size + size_2))}
silu = x / (1 + sp.exp(-x))
"""The nonlinearity of our networks."""

STATEMENTS = (
    Statement(
        "saved-linear",
        by_chance(gradient * x, x),
        gradient * x,
        note="A gradient that is linear in the saved number keeps its mean, whatever the step.",
    ),
    Statement(
        "saved-second-order",
        place * _parabola.subs(_e, _up) + (1 - place) * _parabola.subs(_e, _down),
        first + third * place * (1 - place) * step**2,
        note="Through a curve the first-order term vanishes, and the curvature times the variance remains.",
    ),
    Statement(
        "saved-variance",
        reach**2 / (4 * levels**2) - place * (1 - place) * (reach / levels) ** 2,
        (reach / levels) ** 2 * (place - sp.Rational(1, 2)) ** 2,
        note="The variance of a number in a group is at most R^2 / (4 B^2), and that only halfway between two levels.",
    ),
    Statement(
        "saved-norm",
        sum(_pull.subs({x: x + a, y: y + b}, simultaneous=True) for a, b in _kick) / 4,
        _pull + gradient * noise**2,
        note="The part of a norm's gradient that is quadratic in what it saved gains the variance times the incoming gradient.",
    ),
    Statement(
        "saved-exponential",
        (sp.exp(x + noise) + sp.exp(x - noise)) / 2,
        sp.exp(x) + sp.exp(x) * (sp.exp(noise / 2) - sp.exp(-noise / 2)) ** 2 / 2,
        note="An exponential of a rounded number is too large on average, exponentially so.",
    ),
    Statement(
        "bits-equal-slopes",
        worth * 4 ** (-share),
        center * 4 ** (-mean_bits),
        note="At the best bits one bit more for one number is worth the same in every tensor.",
    ),
    Statement(
        "bits-budget",
        size * share + size_2 * share_2,
        (size + size_2) * mean_bits,
        given=_mean,
        note="The best bits spend the budget and nothing else.",
    ),
    Statement(
        "bits-bound",
        size * worth * 4 ** (-share) + size_2 * worth_2 * 4 ** (-share_2),
        (size + size_2) * center * 4 ** (-mean_bits),
        note="The least error that real numbers of bits can reach.",
    ),
)
