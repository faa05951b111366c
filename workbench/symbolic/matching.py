"""Flow matching: from the velocity of one line to that of the whole cloud, what its loss cannot remove, and where one step lands."""

import sympy as sp

from workbench.symbolic import gaussian
from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, mu, s, sigma, t, variance, x, x0

r = sp.Symbol("r", real=True)
"""Correlation of data and noise along one direction; 0 for independent pairs."""
slope, c, u = sp.Symbol("a", real=True), sp.Symbol("c", real=True), sp.Symbol("u", positive=True)
"""A linear guess of the velocity, a state in standard deviations, and u = t / (1 - t), the noise level of the same state."""

kernel = sp.exp(-((x - (1 - t) * x0) ** 2) / (2 * t**2)) / t
of_one_point = (x - x0) / t
"""Density (but for a constant) and velocity of all lines that end on x_0."""

root = sp.sqrt(variance)
square = (1 - t) ** 2 * variance + 2 * t * (1 - t) * r * root + t**2
growth = sp.diff(square, t) / (2 * square)
"""w^2, the variance of x_t, and w' / w."""
velocity = -mu + growth * (x - (1 - t) * mu)
speed = growth**2 * square
cost = 1 + variance - 2 * r * root
floor = cost - speed
from_noise, from_data = 1 - slope * t, -1 - slope * (1 - t)
loss = from_noise**2 + from_data**2 * variance + 2 * from_noise * from_data * r * root
"""E(z - x_0 - a x_t)^2 for a mean of 0: the target less the guess is from_noise z + from_data x_0."""

apart = {r: sp.Integer(0)}
posterior_mean = gaussian.posterior_mean.subs({alpha: 1 - t, sigma: t})
path = (1 - t) * mu + sp.sqrt(square) * c
chord, bend, lost = (1 - root) ** 2, (2 - sp.pi / 2) * root, sp.pi * root / 2

STATEMENTS = (
    Statement(
        "conditional-continuity",
        sp.diff(kernel, t) / kernel,
        -sp.diff(of_one_point * kernel, x) / kernel,
        note="The velocity (x - x_0) / t moves the cloud of all lines that end on x_0; both sides divided by its density.",
    ),
    Statement(
        "conditional-to-marginal",
        (x - posterior_mean) / t,
        velocity.subs(apart),
        note="The mean of (x - x_0) / t over all x_0 behind x_t is the velocity of the whole Gaussian cloud.",
    ),
    Statement(
        "velocity-from-data-on-lines",
        -x0 + (x - (1 - t) * x0) / t,
        of_one_point,
        note="On straight lines minus the data plus the noise is (x_t - data) / t, for one pair as in the mean.",
    ),
    Statement(
        "flow-of-pairs",
        sp.diff(path, t),
        velocity.subs(x, path),
        note="Along the flow of coupled Gaussians a state keeps its number of standard deviations c.",
    ),
    Statement(
        "flow-matching-loss",
        loss,
        floor + (slope - growth) ** 2 * square,
        note="The loss of any linear guess is the floor plus its squared distance from the velocity, for independent and other pairs.",
    ),
    Statement(
        "flow-matching-floor",
        floor.subs(apart),
        variance / square.subs(apart),
        note="What no velocity removes when data and noise are drawn independently.",
    ),
    Statement(
        "floor-has-its-peak",
        (square / variance).subs(apart),
        1 / (1 + variance) + (1 + variance) / variance * (t - variance / (1 + variance)) ** 2,
        note="So the floor, one over this, is largest at t = Lambda / (1 + Lambda), where it is 1 + Lambda.",
    ),
    Statement(
        "floor-over-noise-levels",
        (variance / square).subs(apart).subs(t, u / (1 + u)) * sp.Derivative(u / (1 + u), u),
        variance / (variance + u**2),
        note="The floor at t, times dt, in the noise level u = t / (1 - t).",
    ),
    Statement(
        "mean-of-the-floor",
        sp.Integral(variance / (variance + u**2), (u, 0, sp.oo)),
        lost,
        note="The mean of the floor over all t.",
    ),
    Statement(
        "energy-in-three-parts",
        cost.subs(apart),
        chord + bend + lost,
        note="Squared length of the lines: that of the chords of the flow, what the flow bends, and the mean of the floor.",
    ),
    Statement(
        "one-step-lands-on-the-mean",
        x - (1 - s) * velocity.subs(apart).subs(t, 1),
        s * x + (1 - s) * mu,
        note="One Euler step from pure noise at t = 1 to s: the noise shrinks to s, and at s = 0 only the mean is left.",
    ),
)
