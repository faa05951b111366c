"""The letters all statements share, with what is known about them."""

import sympy as sp

t, s = sp.symbols("t s", positive=True)
"""Current and next (cleaner) time."""
alpha, sigma = sp.symbols("alpha sigma", positive=True)
alpha_t, sigma_t, alpha_s, sigma_s = sp.symbols("alpha_t sigma_t alpha_s sigma_s", positive=True)
alpha_dot, sigma_dot = sp.symbols(r"\dot{\alpha} \dot{\sigma}", real=True)
x, x0, eps, mu = sp.symbols("x x_0 epsilon mu", real=True)
variance = sp.Symbol("Lambda", positive=True)
"""Variance of the data along one direction (an eigenvalue of the covariance)."""
lam = sp.Symbol("lambda", real=True)
"""lambda = log(alpha / sigma)."""
