"""Telling better from lucky: the curvature that biases a Frechet distance, differences on the same noise, the best of several."""

import sympy as sp

from workbench.symbolic.statements import Statement

s1, s2 = sp.symbols("s_1 s_2", positive=True)
h11, h12, h22, epsilon = sp.symbols("h_11 h_12 h_22 epsilon", real=True)
moved = sp.Matrix([[s1**2, 0], [0, s2**2]]) + epsilon * sp.Matrix([[h11, h12], [h12, h22]])
trace_of_root = sp.sqrt(moved.trace() + 2 * sp.sqrt(moved.det()))  # of a positive 2 x 2 matrix, by Cayley and Hamilton
curvature = sp.diff(trace_of_root, epsilon, 2).subs(epsilon, 0)
curvature = curvature.replace(lambda e: e.is_Pow and not e.exp.is_integer, lambda e: sp.factor(e.base) ** e.exp)

spread_a, spread_b = sp.symbols("sigma_a sigma_b", positive=True)
rho = sp.Symbol("rho", real=True)
common, own = spread_a - rho * spread_b, spread_b * sp.sqrt(1 - rho**2)

d, spread = sp.symbols("d sigma", positive=True)
density_of_difference = sp.exp(-(d**2) / (4 * spread**2)) / sp.sqrt(4 * sp.pi * spread**2)  # of two independent scores

STATEMENTS = (
    Statement(
        "curvature-of-the-overlap",
        curvature,
        -(h11**2) / (4 * s1**3) - h22**2 / (4 * s2**3) - h12**2 / (s1 * s2 * (s1 + s2)),
        note="How tr A^(1/2) bends when a diagonal A is moved by h: always downward, so a sample covariance overlaps too little.",
    ),
    Statement(
        "difference-on-the-same-noise",
        common**2 + own**2,
        spread_a**2 + spread_b**2 - 2 * rho * spread_a * spread_b,
        note="The variance of a - b for results of correlation rho, a = sigma_a z, b = sigma_b (rho z + sqrt(1 - rho^2) z').",
        ranges={rho: (-0.9, 0.9)},
    ),
    Statement(
        "best-of-two",
        sp.Integral(2 * d * density_of_difference, (d, 0, sp.oo)) / 2,
        spread / sp.sqrt(sp.pi),
        note="The larger of two equal lucks is on average 0.56 standard deviations too good: half the mean distance between them.",
    ),
    Statement(
        "best-of-three",
        3 * sp.Integral(2 * d * density_of_difference, (d, 0, sp.oo)) / 4,
        3 * spread / (2 * sp.sqrt(sp.pi)),
        note="Of three: the range is half the sum of the three pairs' distances, and the best is half the range above the middle.",
    ),
)
