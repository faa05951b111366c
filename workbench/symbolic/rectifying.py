"""Rectifying a flow, one eigenvector at a time: data of variance Lambda, noise of variance 1, correlation r = cos phi between them."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import t, variance

r = sp.Symbol("r", positive=True)
"""Correlation of a sample with its noise; below 1."""
phi = sp.Symbol("varphi", positive=True)
"""The angle between them, arccos r."""
root = sp.sqrt(variance)
cost = 1 + variance - 2 * r * root
"""E |z - x_0|^2, without the mean."""
spread = (1 - t) ** 2 * variance + 2 * t * (1 - t) * r * root + t**2
"""w(t)^2, the variance of x_t."""
growth = sp.sqrt(spread).diff(t)
"""w'(t), the velocity of a path that stands one standard deviation from the mean."""
floor = variance * (1 - r**2) / spread
"""Var[z - x_0 | x_t]: what no velocity can predict."""
_half = variance * (1 - r**2)
_place = (cost * t + r * root - variance) / sp.sqrt(_half)
energy_so_far = cost * t - sp.sqrt(_half) * sp.atan(_place)
"""The kinetic energy between time 0 and t, up to a constant."""
energy = cost - root * sp.sin(phi) * phi
"""The kinetic energy of the whole flow, with r = cos phi."""
least_cost = (1 - root) ** 2
straightness = root * (2 * (1 - r) - sp.sqrt(1 - r**2) * sp.acos(r))

_chord, _mean, _square = sp.symbols(r"c \bar{v} \overline{v^2}", real=True)
_x, _y, _z, _noise = sp.symbols("x' x'' z' z''", real=True)
_mixture = (1 - t) * _x + t * _z
dim, excess, total = sp.symbols("d k T", positive=True)
crossing_time = 1 / (1 + sp.sqrt(excess * sp.sqrt(2 * dim) / (2 * total)))
"""After it the noise of a crossing pair is less than k standard deviations too long; T is the trace of the covariance."""
_gain = (1 - t) / t
_angle = sp.Symbol("theta", positive=True)
_turned = sp.Matrix([[sp.cos(_angle), -sp.sin(_angle)], [sp.sin(_angle), sp.cos(_angle)]])

STATEMENTS = (
    Statement(
        "floor-of-a-coupling",
        cost - growth**2,
        floor,
        note="The variance of z - x_0 is what the velocity explains plus what it cannot know.",
    ),
    Statement(
        "bend-of-a-path",
        _chord**2 - 2 * _chord * _mean + _square,
        _square - _chord**2,
        {_mean: _chord},
        note="The mean velocity of a path is its chord, so its mean squared deviation from the chord is mean square minus squared mean.",
    ),
    Statement(
        "energy-of-a-coupling",
        sp.Derivative(energy_so_far, t),
        growth**2,
        note="An antiderivative of the kinetic energy of a Gaussian flow.",
    ),
    Statement(
        "angle-of-a-coupling",
        (_place.subs(t, 1) - _place.subs(t, 0)) / (1 + _place.subs(t, 1) * _place.subs(t, 0)),
        sp.sqrt(1 - r**2) / r,
        note="From data to noise the arc tangent in the kinetic energy turns by the angle whose cosine is the correlation.",
    ),
    Statement(
        "straightness-of-a-coupling",
        (energy - least_cost).subs(phi, sp.acos(r)),
        straightness,
        note="Kinetic energy minus the squared distance of the two ends.",
    ),
    Statement(
        "straightness-of-the-first-flow",
        sp.Limit(straightness, r, 0),
        (2 - sp.pi / 2) * root,
        note="Independent noise bends every direction in proportion to its standard deviation.",
    ),
    Statement(
        "straight-after-one-round",
        spread.subs(r, 1),
        ((1 - t) * root + t) ** 2,
        note="Noise and the end of its own flow are parallel: the standard deviation is a line in t, and every path is straight.",
    ),
    Statement(
        "cost-after-one-round",
        cost.subs(r, 1),
        least_cost,
        note="After one round a Gaussian coupling costs what the optimal transport costs.",
    ),
    Statement(
        "noise-of-a-crossing-pair",
        (1 - t) * _y + t * _noise,
        _mixture,
        {_noise: _z + _gain * (_x - _y)},
        note="Two pairs meet at time t exactly when their noises differ by this multiple of the difference of their samples.",
    ),
    Statement(
        "time-of-no-crossing",
        2 * _gain**2 * total,
        excess * sp.sqrt(2 * dim),
        {t: crossing_time},
        note="From this time on the squared length of a crossing pair's noise exceeds d by less than k standard deviations.",
        ranges={dim: (2, 4000), total: (1, 1000), excess: (1, 5)},
    ),
    Statement(
        "turned-lines-never-meet",
        ((1 - t) * _turned + t * sp.eye(2)).det(),
        1 - 2 * t * (1 - t) * (1 - sp.cos(_angle)),
        note="Lines from noise to the noise turned by an angle below pi: the map to x_t never loses its inverse.",
    ),
    Statement(
        "cost-of-turning",
        ((sp.eye(2) - _turned).T * (sp.eye(2) - _turned)).trace(),
        4 * (1 - sp.cos(_angle)),
        note="What the turned pairs cost, although the law of the ends is that of the noise and staying costs nothing.",
    ),
)
