"""Noise while sampling: what a wrong start and a wrong model become on one Gaussian direction, and three names for one strength."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha_s, lam, sigma_s, sigma_t, variance, x

tau, eta, h, gain, error = sp.symbols("tau eta h g e_0", positive=True)
rho, data, start = sp.Symbol("rho", positive=True), sp.Symbol("D", real=True), sp.Symbol("rho_t", positive=True)
level = sp.exp(-lam)
"""rho = sigma / alpha = exp(-lambda)."""
spread = variance + level**2
"""Variance of y = x / alpha at the level lambda, for data of variance Lambda."""
pull = variance / spread - 1
"""Derivative of D - y by y: the data prediction answers a shift of y with the factor Lambda / (Lambda + rho^2)."""
remaining = (spread / (variance + start**2)) ** ((1 + tau**2) / 2)
"""What is left of an error of y made at the level rho_t."""
crossing = (1 + tau**2) ** (-2 / tau**2)

ddim_fraction = eta**2 * (1 - sp.exp(-2 * h))
sde_fraction = 1 - sp.exp(-2 * eta * h)
tau_fraction = 1 - sp.exp(-2 * tau**2 * h)
share = sp.Symbol("f", positive=True)

STATEMENTS = (
    Statement(
        "noisy-reverse-keeps-the-variance",
        2 * (1 + tau**2) * pull * spread + 2 * tau**2 * level**2,
        sp.Derivative(spread, lam),
        note="Pull and fresh noise of any strength tau together leave the right variance where it is.",
    ),
    Statement(
        "error-under-noise",
        sp.Derivative(error * remaining, lam),
        (1 + tau**2) * pull * error * remaining,
        note="An error of the state shrinks like the power 1 + tau^2 of the standard deviation.",
    ),
    Statement(
        "langevin-clock",
        sp.Derivative(-sp.log(spread) / 2, lam),
        level**2 / spread,
        note="Forgetting runs at the rate rho^2 / (Lambda + rho^2) per unit of lambda: it stops once rho falls below the spread.",
    ),
    Statement(
        "noise-pays-above-the-crossing",
        (1 + tau**2) * crossing ** ((1 + tau**2) / 2),
        crossing ** sp.Rational(1, 2),
        note="At this ratio of variances, an error of the model does the same harm with noise and without.",
    ),
    Statement(
        "crossing-at-full-strength",
        variance / (variance + rho**2),
        crossing.subs(tau, 1),
        {rho: sp.sqrt(3 * variance)},
        note="With the noise of the reverse diffusion the crossing lies at rho = sqrt(3) standard deviations.",
    ),
    Statement(
        "same-noise-same-step",
        sigma_s / sigma_t * sp.sqrt(1 - share) * x + alpha_s * (1 - sp.sqrt(1 - share) * sp.exp(-h)) * data,
        sigma_s / sigma_t * sp.exp(-eta * h) * x + alpha_s * (1 - sp.exp(-(1 + eta) * h)) * data,
        {share: sde_fraction},
        note="With the same share of fresh noise, DDIM and the first-order SDE solver take the same step.",
    ),
    Statement(
        "etas-in-short-steps",
        sp.Limit(ddim_fraction / (2 * h), h, 0),
        sp.Limit(tau_fraction.subs(tau, eta) / (2 * h), h, 0),
        note="In short steps DDIM's eta is tau.",
    ),
    Statement(
        "sde-eta-is-tau-squared",
        -sp.log(1 - share) / (2 * h),
        tau**2,
        {share: tau_fraction},
        note="The eta of the SDE solvers that draws the same noise is the square of tau, in steps of any length.",
    ),
    Statement(
        "all-new-noise-keeps-half",
        sp.Limit(rho**2 / (1 - gain**2).subs(gain, variance / (variance + rho**2)), rho, 0),
        variance / 2,
        note="Prediction plus all new noise, repeated at a low level, settles at half the variance of the data.",
    ),
    Statement(
        "noise-form-on-a-point",
        (2 - sp.exp(h)) ** 2 + sp.exp(2 * h) - 1,
        1 + 2 * (sp.exp(h) - 1) ** 2,
        note="A noise prediction held still while noise comes in leaves too much variance, even on a single point.",
    ),
)
