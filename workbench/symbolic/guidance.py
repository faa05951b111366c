"""Classifier-free guidance: the score that is asked for, and the law that following it produces instead."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import mu, x

w = sp.Symbol("w", real=True)
"""The guidance scale; 1 is the conditional model."""
rho = sp.Symbol("rho", positive=True)
"""sigma / alpha."""
everything, condition = sp.symbols("V_u V_c", positive=True)
"""Variances of the unconditional and of the conditional law, two Gaussians of mean 0."""
share = sp.Symbol("pi", positive=True)
p_x, p_given_c = sp.Function("p")(x), sp.Function("p_c")(x)

_bell = sp.exp(-((x - mu) ** 2) / 2)
_mixture = share * _bell + (1 - share) * sp.exp(-((x + mu) ** 2) / 2)

flow_shape = (everything + rho**2) ** ((1 - w) / 2) * (condition + rho**2) ** (w / 2)
"""How the guided flow scales a point as rho falls: y(rho) is proportional to it."""
flow_variance = everything ** (1 - w) * condition**w
"""Where the guided flow ends: variances extrapolated on a logarithmic scale."""
tilted_variance = 1 / ((1 - w) / everything + w / condition)
"""What p(x) p(c|x)^w has: inverse variances extrapolated."""
_noised = tilted_variance.subs({everything: everything + rho**2, condition: condition + rho**2}, simultaneous=True)
_harmonic = condition + w * (everything - condition)

STATEMENTS = (
    Statement(
        "guided-score",
        sp.Derivative(sp.log(p_x) + w * sp.log(share * p_given_c / p_x), x),
        (1 - w) * sp.Derivative(sp.log(p_x), x) + w * sp.Derivative(sp.log(p_given_c), x),
        {p_x: _mixture, p_given_c: _bell},
        note="The score of p(x) p(c|x)^w, by Bayes' rule, is the guided score: here for a mixture and one of its components.",
    ),
    Statement(
        "guided-flow",
        sp.Derivative(flow_shape, rho),
        rho * ((1 - w) / (everything + rho**2) + w / (condition + rho**2)) * flow_shape,
        note="Guiding between two Gaussians is a linear equation in rho, with a closed solution.",
    ),
    Statement(
        "tilting-after-noising",
        _noised - (tilted_variance + rho**2),
        -w * (w - 1) * rho**2 * (everything - condition) ** 2 / (_harmonic * (_harmonic + rho**2)),
        note="Tilting noisy laws is not noising a tilted law, unless w is 0 or 1 or the variances agree.",
    ),
    Statement(
        "guided-variance-slope",
        sp.Derivative(sp.log(flow_variance), w),
        sp.log(condition / everything),
        note="A little more guidance multiplies the variance of the flow's result by V_c / V_u.",
    ),
    Statement(
        "tilted-variance-slope",
        sp.Derivative(sp.log(tilted_variance), w) * _harmonic / condition,
        1 - everything / condition,
        note="The tilted law narrows more slowly, since log r is at most r - 1.",
    ),
)
