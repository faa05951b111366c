"""Bridges: a diffusion conditioned on its end point, what is left when the end point is taken away, and the chain of ResShift.

t is the current time and s the next, cleaner one; T is the end.  Along a diffusion x_T = (alpha_T / alpha) x + noise.
"""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, alpha_s, alpha_t, sigma, sigma_s, sigma_t, x, x0

alpha_end, sigma_end = sp.symbols("alpha_T sigma_T", positive=True)
end = sp.Symbol("x_T", real=True)
onward, added, r = sp.symbols("k v r", positive=True)
"""The factor from x_t to x_T, the variance added on the way, and rho_t^2 / rho_T^2."""
kept = {onward: alpha_end / alpha}
way = kept | {added: sigma_end**2 - (alpha_end / alpha * sigma) ** 2, r: (sigma * alpha_end / (alpha * sigma_end)) ** 2}

precision = 1 / sigma**2 + onward**2 / added
a, b, variance = alpha * r / alpha_end, alpha * (1 - r), sigma**2 * (1 - r)
"""a_t, b_t and c_t^2 of the bridge."""


def at(expression: sp.Expr, level: sp.Symbol, noise: sp.Symbol) -> sp.Expr:
    """The expression with r put in, at another time."""
    return expression.subs(r, way[r]).subs({alpha: level, sigma: noise}, simultaneous=True)


b_t, b_s = at(b, alpha_t, sigma_t), at(b, alpha_s, sigma_s)
c2_t, c2_s = at(variance, alpha_t, sigma_t), at(variance, alpha_s, sigma_s)
rho2_t, rho2_s = (sigma_t / alpha_t) ** 2, (sigma_s / alpha_s) ** 2

u, h, h_1, h_2 = sp.symbols("u h h_1 h_2", positive=True)
m, m_1, m_2 = sp.symbols("m m_1 m_2", real=True)
line = m + (m - m_1) * u / h_1
parabola = (
    m * (u + h_1) * (u + h_1 + h_2) / (h_1 * (h_1 + h_2))
    - m_1 * u * (u + h_1 + h_2) / (h_1 * h_2)
    + m_2 * u * (u + h_1) / ((h_1 + h_2) * h_2)
)
slope = ((m - m_1) * (2 * h_1 + h_2) / h_1 - (m_1 - m_2) * h_1 / h_2) / (h_1 + h_2)
bend = 2 * ((m - m_1) / h_1 - (m_1 - m_2) / h_2) / (h_1 + h_2)
"""The published m' and m''."""

eta_t, eta_s, kappa = sp.symbols("eta_t eta_s kappa", positive=True)
before, told = kappa**2 * eta_s, kappa**2 * (eta_t - eta_s)
shifted = (x0 + eta_s * (end - x0)) / before + (x - (eta_t - eta_s) * (end - x0)) / told
level_t, level_s = eta_t / (1 - eta_t) ** 2, eta_s / (1 - eta_s) ** 2
"""(sigma / alpha)^2 of the shifted chain, over kappa^2."""

STATEMENTS = (
    Statement(
        "bridge-mean",
        (alpha * x0 / sigma**2 + onward * end / added) / precision,
        a * end + b * x0,
        way,
        note="Told both ends, a diffusion stands on average at a x_T + b x_0.",
    ),
    Statement("bridge-variance", 1 / precision, variance, way, note="Its variance is that of the diffusion, times 1 - r."),
    Statement(
        "bridge-snr-subtracts",
        b**2 / variance,
        alpha**2 / sigma**2 - alpha_end**2 / sigma_end**2,
        way,
        note="The signal-to-noise ratio of a bridge is that of the diffusion minus that of the end point.",
    ),
    Statement(
        "shifted-bridge-is-a-diffusion",
        alpha_t / alpha_s * sigma_s**2 - (alpha_end / alpha_s * sigma_s**2) * (alpha_end / alpha_t * sigma_t**2) / sigma_end**2,
        b_t / b_s * c2_s,
        note="Conditioned on both ends, the covariance at two times is that of an ordinary diffusion with alpha = b and sigma = c.",
    ),
    Statement(
        "dbim-eta-is-ddim-eta",
        alpha_s**2 * rho2_s * (1 - rho2_s / rho2_t),
        c2_s * (1 - (c2_s / b_s**2) / (c2_t / b_t**2)),
        note="The fresh noise of DBIM with eta = 1 is that of DDIM with eta = 1 on the schedule b, c.",
    ),
    Statement(
        "dbim-second-order",
        (1 - sp.exp(-h)) * m + (sp.exp(-h) + h - 1) * (m - m_1) / h_1,
        sp.Integral(sp.exp(u - h) * line, (u, 0, h)),
        note="DBIM of order 2 integrates the line through the last two answers.",
    ),
    Statement(
        "dbim-third-order",
        (1 - sp.exp(-h)) * m + (sp.exp(-h) + h - 1) * slope + (h**2 / 2 - h + 1 - sp.exp(-h)) * bend,
        sp.Integral(sp.exp(u - h) * parabola, (u, 0, h)),
        note="DBIM of order 3 integrates the parabola through the last three answers, with the factor 2 in its second derivative.",
    ),
    Statement(
        "resshift-posterior-mean",
        shifted / (1 / before + 1 / told),
        eta_s / eta_t * x + (1 - eta_s / eta_t) * x0,
        note="The posterior mean of ResShift's chain does not contain the degraded picture.",
    ),
    Statement(
        "resshift-posterior-variance",
        1 / (1 / before + 1 / told),
        kappa**2 * eta_s * (1 - eta_s / eta_t),
        note="Its variance is the variance at s times the share of the way that the step goes.",
    ),
    Statement(
        "resshift-is-ddim",
        (1 - eta_s / eta_t) / (1 - level_s / level_t),
        (1 - eta_s) ** 2 / (1 - eta_s * eta_t),
        note="ResShift draws the noise of DDIM with this eta^2, which is below 1.",
    ),
)
