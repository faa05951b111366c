"""What each schedule does in lambda = log(alpha / sigma), and how to come back from lambda to t."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, lam, s, sigma, t

first, rise = sp.symbols("beta_0 Delta", positive=True)
"""VP: beta(t) = beta_0 + Delta t."""

vp_log_alpha = -rise * t**2 / 4 - first * t / 2
vp_alpha, vp_sigma = sp.exp(vp_log_alpha), sp.sqrt(1 - sp.exp(2 * vp_log_alpha))
u, b = sp.pi * t / (2 * (1 + s)), sp.pi * s / (2 * (1 + s))
cosine_alpha = sp.cos(u + b) / sp.cos(b)
from_lam = 1 / sp.sqrt(1 + sp.exp(-2 * lam))
cosine_time = 2 * (1 + s) / sp.pi * sp.acos(from_lam * sp.cos(b)) - s
softplus = sp.log(1 + sp.exp(-2 * lam))
vp_q = 2 * rise * softplus
vp_time = vp_q / ((sp.sqrt(first**2 + vp_q) + first) * rise)


def slope(signal: sp.Expr, noise: sp.Expr, time: sp.Symbol = t) -> sp.Expr:
    """d log alpha / d lambda by the chain rule."""
    return sp.diff(sp.log(signal), time) / sp.diff(sp.log(signal) - sp.log(noise), time)


STATEMENTS = (
    Statement(
        "variance-preserving-slope",
        slope(from_lam, sp.sqrt(1 - from_lam**2), lam),
        1 - from_lam**2,
        note="On every variance-preserving schedule d log alpha / d lambda = sigma squared.",
    ),
    Statement("vp-slope", slope(vp_alpha, vp_sigma), vp_sigma**2, note="The same for the linear-beta schedule."),
    Statement(
        "vp-inverse",
        vp_time,
        t,
        {lam: vp_log_alpha - sp.log(1 - sp.exp(2 * vp_log_alpha)) / 2},
        note="t -> lambda -> t, free of cancellation near t = 0.",
    ),
    Statement(
        "cosine-slope",
        slope(cosine_alpha, sp.sqrt(1 - cosine_alpha**2)),
        1 - cosine_alpha**2,
        note="The cosine schedule preserves variance too.",
    ),
    Statement(
        "cosine-sigma",
        1 - cosine_alpha**2,
        sp.sin(u) * sp.sin(u + 2 * b) / sp.cos(b) ** 2,
        note="Sigma squared without the difference of nearly equal numbers.",
    ),
    Statement(
        "cosine-inverse",
        cosine_alpha.subs(t, cosine_time),
        from_lam,
        note="t(lambda) has the alpha that belongs to lambda.",
    ),
    Statement("rectified-slope", slope(1 - t, t), t, note="On straight paths d log alpha / d lambda = sigma."),
    Statement(
        "rectified-inverse",
        1 / (1 + sp.exp(lam)),
        t,
        {lam: sp.log((1 - t) / t)},
        note="t is the logistic function of -lambda.",
    ),
    Statement(
        "every-schedule-is-ve",
        sigma / alpha,
        sp.exp(-lam),
        {lam: sp.log(alpha / sigma)},
        note="x_t / alpha_t is the data with noise of level exp(-lambda): every schedule is VE after a division.",
    ),
    Statement("ve-inverse", sp.exp(-lam), t, {lam: -sp.log(t)}, note="Time is the noise level."),
)
