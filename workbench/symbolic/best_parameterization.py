"""The linear part that leaves least to extrapolate: what DPM-Solver-v3 splits off, and why a Gaussian is then solved in one step.

v = x / alpha, time is lambda, e = (sigma / alpha) noise, the flow is v' = -e; f = e - l v is what is left when l v has been split off.
"""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import lam

v, f, frozen, data, mean = sp.symbols("v f f_0 D m", real=True)
linear, growth = sp.symbols("l E", positive=True)
first, second = sp.symbols("J_1 J_2", real=True)
u, h, variance, rho = sp.symbols("u h c rho", positive=True)

best = 1 / (1 + variance * sp.exp(2 * lam))
"""l of a Gaussian coordinate of variance c."""
rest = -best * mean
"""f of a Gaussian coordinate of mean m: the state does not occur."""

STATEMENTS = (
    Statement(
        "split-off-linear-part",
        growth * linear * v - growth * (linear * v + f),
        -growth * f,
        note="With E the exponential of the integral of l, the product E v changes by -E f alone.",
    ),
    Statement(
        "data-prediction-is-a-member",
        sp.exp(-h) * (v + sp.Integral(sp.exp(u) * data, (u, 0, h))),
        sp.exp(-h) * v + (1 - sp.exp(-h)) * data,
        note="With l = 1 and f = -data held still, a step is DDIM in data form.",
    ),
    Statement(
        "noise-prediction-is-a-member",
        v - sp.Integral(sp.exp(-u) * frozen, (u, 0, h)),
        v - (1 - sp.exp(-h)) * frozen,
        note="With l = 0, s = -1 and e exp(lambda) held still, a step is DDIM in noise form.",
    ),
    Statement(
        "best-multiple-is-the-mean",
        ((first - linear) ** 2 + (second - linear) ** 2) / 2,
        ((first - second) / 2) ** 2 + ((first + second) / 2 - linear) ** 2,
        note="The mean square of J - l is least where l is the mean of J, and what remains is the variance of J.",
    ),
    Statement(
        "gaussian-leaves-no-state",
        rho**2 * (v - mean) / (variance + rho**2) - rho**2 / (variance + rho**2) * v,
        -mean / (1 + variance / rho**2),
        note="For a Gaussian, f does not depend on the state at all.",
    ),
    Statement(
        "gaussian-rest-is-foreseen",
        sp.Derivative(rest, lam),
        (best - 1) * rest + mean * best * (1 - best),
        note="f' = s f + b holds without remainder for s = l - 1 and b = m l (1 - l).",
    ),
    Statement(
        "gaussian-time-is-an-angle",
        sp.Derivative(-sp.atan(sp.exp(-lam) / sp.sqrt(variance)) / sp.sqrt(variance), lam),
        sp.exp(-lam) / (variance + sp.exp(-2 * lam)),
        note="The weight exp(L + S) integrates to an angle: the one whose tangent is noise over signal.",
    ),
)
