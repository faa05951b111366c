"""One evaluation, one eigenvector at a time: data of mean mu and variance Lambda, noise of variance 1, correlation r between them."""

import sympy as sp

from workbench.symbolic.matching import r, root
from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import mu, s, sigma, t, variance, x

least, level = sp.symbols("m tau", positive=True)
"""sigma_min, where a consistency function is the identity, and the noise level of a step in between."""
end = mu + sp.sqrt((variance + least**2) / (variance + sigma**2)) * (x - mu)
"""Where the path through x at noise level sigma ends, at noise level m."""
slope = sigma * (x - mu) / (variance + sigma**2)
"""dx/dsigma along the path."""
_factor = sp.Symbol("a", real=True)
_data = sp.Symbol("D", real=True)
_clean = sp.Symbol("s_d", positive=True)
c_skip = _clean**2 / ((sigma - least) ** 2 + _clean**2)
c_out = (sigma - least) * _clean / sp.sqrt(sigma**2 + _clean**2)
_answer, _gain = sp.symbols("F a", real=True)

STATEMENTS = (
    Statement(
        "least-loss-of-one-step",
        variance - 2 * _factor * r * root + _factor**2,
        (1 - r**2) * variance,
        {_factor: r * root},
        note="What a function of the noise cannot know: nothing is left where the correlation is 1.",
    ),
    Statement(
        "consistency-map-is-carried",
        sp.Derivative(end, sigma),
        -end.diff(x) * slope,
        note="The end of a path does not change along the path.",
    ),
    Statement(
        "consistency-map-at-the-boundary",
        end,
        x,
        {sigma: least},
        note="At noise level m the path has ended.",
    ),
    Statement(
        "consistency-function-at-the-boundary",
        c_skip * x + c_out * _answer,
        x,
        {sigma: least},
        note="The scales make the function the identity at noise level m, whatever the network answers.",
    ),
    Statement(
        "renoising-keeps-the-law",
        _gain**2 * (variance + sigma**2) + level**2 - least**2,
        variance + level**2,
        {_gain: end.diff(x)},
        note="An answer of variance Lambda + m^2 and fresh noise of variance tau^2 - m^2 have the law of noise level tau.",
    ),
    Statement(
        "data-in-place-of-a-teacher",
        _data + s * (x - _data) / t,
        x + (s - t) * (x - _data) / t,
        note="The mean of x_0 + s eps, given x_0 + t eps = x, is one Euler step of the flow from t to s.",
    ),
)
