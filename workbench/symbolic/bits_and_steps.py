"""Bits against steps: what a small error of the velocity does at the end, what chance does to it, and where both bills balance."""

import sympy as sp

from workbench.symbolic.statements import Statement

growth = sp.Symbol("a", positive=True)
"""The slope of a linear velocity in x; L where it is a bound."""
spent = sp.Symbol("T", positive=True)
_s = sp.Symbol("s", positive=True)
constant, slope = sp.symbols("e_0 e_1", real=True)
shift = sp.Integral(sp.exp(growth * (spent - _s)) * (constant + slope * _s), (_s, 0, spent))
"""The shift of the end: errors made at s, each grown by the flow."""

deviation = sp.Symbol("sigma", positive=True)
"""Of a Gaussian coordinate."""
time = sp.Symbol("t", positive=True)
variance = (1 - time) ** 2 * deviation**2 + time**2
"""Of x_t on straight lines."""
coefficient = (time - (1 - time) * deviation**2) / variance
"""The velocity of that coordinate is this times x."""
_u = sp.Symbol("u", positive=True)

noise = sp.Symbol("eta", positive=True)
"""Standard deviation of the error of one answer."""
count = sp.Symbol("N", positive=True, integer=True)
_k = sp.Symbol("k", positive=True, integer=True)

solver, order, floor = sp.symbols("C p F", positive=True)
"""C N^-p is the solver's part of the error, F that of rounding."""
steps = sp.Symbol("N", positive=True)
bits, share, target, rounding = sp.symbols("b r epsilon E", positive=True)
crossover = (solver / floor) ** (1 / order)
real_bits = sp.log(rounding / (share * target)) / sp.log(2)
"""Bits that give rounding the part r of the budget epsilon."""
real_steps = (solver / ((1 - share) * target)) ** (1 / order)
best_share = order / (order + bits * sp.log(2))

STATEMENTS = (
    Statement(
        "shift-of-the-end",
        sp.Derivative(shift, spent),
        growth * shift + constant + slope * spent,
        note="The integral of errors, each grown by the flow, solves the linearized equation.",
    ),
    Statement(
        "gronwall",
        sp.Integral(sp.exp(growth * (spent - _s)) * constant, (_s, 0, spent)),
        constant * (sp.exp(growth * spent) - 1) / growth,
        note="Errors of one size, always at their worst: Gronwall's bound.",
    ),
    Statement(
        "passage-of-a-gaussian",
        sp.Derivative(sp.log(sp.sqrt(variance)), time),
        coefficient,
        note="On straight lines a Gaussian's coordinate scales with its standard deviation; so does any displacement.",
    ),
    Statement(
        "constant-error-adds",
        sp.Sum(constant / count, (_k, 1, count)),
        constant,
        note="The same error at every step of Euler's method arrives whole, however many steps there are.",
    ),
    Statement(
        "independent-errors-average",
        sp.Sum((noise / count) ** 2, (_k, 1, count)),
        noise**2 / count,
        note="Independent errors leave a variance proportional to the step.",
    ),
    Statement(
        "dither-of-a-gaussian",
        sp.Integral(deviation**2 / (deviation**2 + _u**2), (_u, 0, sp.oo)),
        sp.pi * deviation / 2,
        note="The same on a Gaussian: the integral of the squared passage over t, with u = t / (1 - t).",
    ),
    Statement(
        "crossover",
        solver * steps ** (-order),
        floor,
        given={steps: crossover},
        note="At N* evaluations the solver's part of the error equals the floor.",
    ),
    Statement(
        "another-bit",
        crossover.subs(floor, floor / 2) / crossover,
        2 ** (1 / order),
        note="Another bit halves the floor, and doubles the useful steps of a method of order 1.",
    ),
    Statement(
        "price-of-the-shares",
        sp.Derivative(sp.log(real_bits) + sp.log(real_steps), share),
        1 / (order * (1 - share)) - 1 / (share * real_bits * sp.log(2)),
        given={rounding: 40 * target},
        assumptions="E is written as 40 epsilon, so that the number of bits is positive",
        note="Relative change of bits x evaluations as more of the budget is given to rounding.",
    ),
    Statement(
        "best-share",
        1 / (order * (1 - best_share)),
        1 / (best_share * bits * sp.log(2)),
        note="The price is least where rounding has the part p / (p + b ln 2) of the error.",
    ),
)
