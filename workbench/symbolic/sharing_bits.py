"""Bits shared among layers: when errors add up, when they do not, and the best shares if bits were real numbers."""

import sympy as sp

from workbench.symbolic.statements import Statement

first_slope, second_slope = sp.symbols("J_1 J_2", real=True)
"""How the output follows a weight of each layer."""
first_step, second_step = sp.symbols("Delta_1 Delta_2", positive=True)
_d1, _d2 = sp.symbols("delta_1 delta_2", real=True)
_w1, _w2 = sp.symbols("w_1 w_2", real=True)
correlation = sp.Symbol("rho", real=True)
first_error, second_error = sp.symbols("e_1 e_2", positive=True)
"""Root mean square errors of each layer alone."""

first_sensitivity, second_sensitivity = sp.symbols("c_1 c_2", positive=True)
first_size, second_size = sp.symbols("D_1 D_2", positive=True)
mean_bits = sp.Symbol("bbar", positive=True)
_b1, _b2, _ratio = sp.symbols("b_1 b_2 G", positive=True)

_total = first_size + second_size
geometric_mean = (first_sensitivity / first_size) ** (first_size / _total) * (second_sensitivity / second_size) ** (
    second_size / _total
)
"""Of the sensitivities for each weight, weighted with the sizes."""
first_bits = mean_bits + sp.log(first_sensitivity / first_size / geometric_mean) / (2 * sp.log(2))
second_bits = mean_bits + sp.log(second_sensitivity / second_size / geometric_mean) / (2 * sp.log(2))
_shares = {_b1: first_bits, _b2: second_bits}


def _evenly(expression: sp.Expr) -> sp.Expr:
    """The mean over rounding errors that are spread evenly over a step in each layer, and independent."""
    inner = sp.Integral(expression / first_step, (_d1, -first_step / 2, first_step / 2))
    return sp.Integral(inner / second_step, (_d2, -second_step / 2, second_step / 2))


def _rate(sensitivity: sp.Symbol, bits: sp.Expr, size: sp.Symbol) -> sp.Expr:
    """What one more bit for each of the layer's weights takes off the error, for each bit spent."""
    return 2 * sp.log(2) * sensitivity * sp.exp(-2 * sp.log(2) * bits) / size


STATEMENTS = (
    Statement(
        "independent-errors-add-up",
        _evenly((first_slope * _d1 + second_slope * _d2) ** 2),
        first_slope**2 * first_step**2 / 12 + second_slope**2 * second_step**2 / 12,
        note="To first order, and with independent rounding errors, mean squares of layers add up.",
    ),
    Statement(
        "correlated-errors-do-not",
        (first_error + correlation * second_error) ** 2 + (1 - correlation**2) * second_error**2,
        first_error**2 + second_error**2 + 2 * correlation * first_error * second_error,
        note="Split the second error into a part along the first and a part across it: a correlation adds to the sum, or takes from it.",
    ),
    Statement(
        "two-layers-in-a-row",
        _evenly(((_w1 + _d1) * (_w2 + _d2) - _w1 * _w2) ** 2),
        _w2**2 * first_step**2 / 12 + _w1**2 * second_step**2 / 12 + first_step**2 * second_step**2 / 144,
        note="A product of two rounded weights: each alone, and what only both together do.",
    ),
    Statement(
        "best-bits-keep-the-budget",
        first_size * _b1 + second_size * _b2,
        _total * mean_bits,
        given=_shares,
        note="The shares spend the budget, whatever the sensitivities.",
    ),
    Statement(
        "best-bits-have-equal-rates",
        _rate(first_sensitivity, _b1, first_size),
        _rate(second_sensitivity, second_bits, second_size),
        given=_shares,
        note="At the best shares one more bit is worth the same in every layer.",
    ),
)
