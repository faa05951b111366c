"""Integer flows: maps that do not stretch, the law of a whole number, and what a code must cost."""

import sympy as sp

from workbench.symbolic.statements import Statement

first, second = sp.symbols("z_1 z_2", real=True)
gain = sp.Symbol("g", positive=True)
translation = sp.Function("t")
upper = sp.Symbol("u", real=True)
width = sp.Symbol("d", positive=True)
place = sp.Symbol("x", real=True)
temperature = sp.Symbol("T", positive=True)
p = sp.symbols("p_1:4", positive=True)
"""What the data do."""
q = sp.symbols("q_1:4", positive=True)
"""What the code believes."""
state, frequency = sp.symbols("X f", positive=True)
_rest, _start = sp.symbols("r c", nonnegative=True)
total = 2**16
spread = sp.Symbol("s", positive=True)
"""Standard deviation of what a coupling leaves, in steps."""


def gaussian_bits(variance: sp.Expr) -> sp.Expr:
    """The differential entropy of a Gaussian, in bits."""
    return bits(2 * sp.pi * sp.E * variance) / 2


def sigmoid(x: sp.Expr) -> sp.Expr:
    """1 / (1 + e^-x)."""
    return 1 / (1 + sp.exp(-x))


def bits(x: sp.Expr) -> sp.Expr:
    """log2."""
    return sp.log(x) / sp.log(2)


entropy = -sum(a * bits(a) for a in p)
divergence = sum(a * bits(a / b) for a, b in zip(p, q, strict=True))

STATEMENTS = (
    Statement(
        "coupling-keeps-volume",
        sp.Determinant(sp.Matrix([first, gain * second + translation(first)]).jacobian([first, second])),
        gain,
        note="Only a factor g stretches; what is added never does, whatever the network is.",
    ),
    Statement(
        "coding-length",
        -sum(a * bits(b) for a, b in zip(p, q, strict=True)),
        entropy + divergence,
        note="The mean length of a code made for q, on data that follow p, is the entropy and the divergence (three symbols).",
    ),
    Statement(
        "logistic-bin",
        sigmoid(upper) - sigmoid(upper - width),
        sigmoid(upper) * sigmoid(width - upper) * (1 - sp.exp(-width)),
        note="The probability of one whole number as a product: no difference of nearly equal numbers far out in a tail.",
    ),
    Statement(
        "smooth-stair-slope",
        sp.Derivative(sigmoid(place / temperature), place),
        sigmoid(place / temperature) * sigmoid(-place / temperature) / temperature,
        note="The slope of one smooth stair; its area is the height of the stair, 1.",
    ),
    Statement(
        "rounded-coupling",
        gaussian_bits(spread**2 + sp.Rational(2, 12)) - gaussian_bits(spread**2 + sp.Rational(1, 12)),
        bits(1 + 1 / (12 * spread**2 + 1)) / 2,
        note="What one rounded coupling costs: the error of the rounding, 1/12, on top of what it leaves, which is on a grid already.",
    ),
    Statement(
        "coder-step",
        (state - _rest) / frequency * total + _start + _rest,
        state * total / frequency + _start - _rest * (total / frequency - 1),
        note="Writing a symbol multiplies the message by 2^16 / f, up to its place in the table: -log2 of its probability, in bits.",
    ),
)
