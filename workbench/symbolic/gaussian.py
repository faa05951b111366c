"""Denoising a Gaussian: Tweedie's formula, the Wiener filter and the error that remains."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, mu, sigma, variance, x, x0

total = alpha**2 * variance + sigma**2
log_marginal = -((x - alpha * mu) ** 2) / (2 * total) - sp.log(2 * sp.pi * total) / 2
log_joint = -((x0 - mu) ** 2) / (2 * variance) - (x - alpha * x0) ** 2 / (2 * sigma**2)
posterior_mean = sp.solve(sp.diff(log_joint, x0), x0)[0]
posterior_variance = -1 / sp.diff(log_joint, x0, 2)
gain = alpha * variance / total
wiener = mu + gain * (x - alpha * mu)
mmse = variance * sigma**2 / total
log_density = sp.Symbol(r"\log q_t")

STATEMENTS = (
    Statement(
        "tweedie",
        (x + sigma**2 * sp.Derivative(log_density, x)) / alpha,
        posterior_mean,
        {log_density: log_marginal},
        note="Posterior mean from the score of the noisy density; here for a Gaussian prior.",
    ),
    Statement("wiener-filter", posterior_mean, wiener, note="The best denoiser of a Gaussian shrinks each direction."),
    Statement("posterior-variance", posterior_variance, mmse, note="What remains unknown of one direction."),
    Statement(
        "minimum-mean-squared-error",
        (1 - alpha * gain) ** 2 * variance + gain**2 * sigma**2,
        mmse,
        note="Signal that the filter removes plus noise that it lets through.",
    ),
    Statement(
        "tweedie-second-order",
        sigma**2 / alpha**2 * (1 + sigma**2 * sp.Derivative(log_density, x, x)),
        posterior_variance,
        {log_density: log_marginal},
        note="Posterior variance from the curvature of the noisy log density.",
    ),
)
