"""One step of DDIM and of DDPM: exact integrals of what the model holds constant."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha_s, alpha_t, sigma_s, sigma_t, x, x0

level, h = sp.symbols("l h", positive=True)
data = sp.Symbol("D", real=True)
lam_t, lam_s = sp.log(alpha_t / sigma_t), sp.log(alpha_s / sigma_s)
exponential_step = sigma_s / sigma_t * x + sigma_s * sp.Integral(sp.exp(level) * data, (level, lam_t, lam_s))
noise = (x - alpha_t * data) / sigma_t
ddim_step = alpha_s * data + sigma_s * noise

# DDPM: Bayes' rule with prior x_s | x_0 and likelihood x_t | x_s.
shrink = alpha_t / alpha_s
added = sigma_t**2 - shrink**2 * sigma_s**2
ddpm_variance = 1 / (1 / sigma_s**2 + shrink**2 / added)
ddpm_mean = ddpm_variance * (alpha_s * x0 / sigma_s**2 + shrink * x / added)
kick = sigma_s**2 * (1 - shrink**2 * sigma_s**2 / sigma_t**2)
"""Square of the noise that DDIM adds at eta = 1."""
theta_t, theta_s = sp.symbols("theta_t theta_s", positive=True)
noisier = {sigma_t: (0.9, 0.99), alpha_t: (0.1, 0.3), sigma_s: (0.2, 0.5), alpha_s: (0.6, 0.95)}

STATEMENTS = (
    Statement(
        "ddim-is-exact-for-constant-data",
        exponential_step,
        ddim_step,
        note="The exact solution of the flow with the data prediction held constant is one DDIM step.",
    ),
    Statement(
        "ddim-exponential-form",
        ddim_step,
        sigma_s / sigma_t * x + alpha_s * (1 - sp.exp(-h)) * data,
        {h: lam_s - lam_t},
        note="The same step in the form that solvers compute: expm1 of the step in lambda.",
        ranges=noisier,
    ),
    Statement(
        "ddpm-variance",
        ddpm_variance,
        kick,
        note="The posterior variance of DDPM is the noise of DDIM at eta = 1.",
        ranges=noisier,
    ),
    Statement(
        "ddpm-variance-in-lambda",
        kick,
        sigma_s**2 * (1 - sp.exp(-2 * h)),
        {h: lam_s - lam_t},
        note="The same noise on any schedule, by the step in lambda alone.",
        ranges=noisier,
    ),
    Statement(
        "ddpm-mean-is-ddim",
        ddpm_mean,
        alpha_s * x0 + sp.sqrt(sigma_s**2 - kick) * (x - alpha_t * x0) / sigma_t,
        note="The posterior mean of DDPM is the mean of DDIM at eta = 1.",
        ranges=noisier,
    ),
    Statement(
        "ddim-on-a-standard-normal",
        ddim_step,
        sp.cos(theta_t - theta_s) * x,
        {
            data: alpha_t * x,
            alpha_t: sp.cos(theta_t),
            sigma_t: sp.sin(theta_t),
            alpha_s: sp.cos(theta_s),
            sigma_s: sp.sin(theta_s),
        },
        assumptions="data N(0, 1), variance preserving",
        note="On a standard normal each DDIM step shrinks x by the cosine of its angle; the exact flow keeps x.",
    ),
)
