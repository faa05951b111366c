"""Two kinds of error along one axis of a Gaussian, in y = x / alpha: the steps are too long, or the model is wrong.

The data have variance Lambda, the noise level is rho = sigma / alpha, and the flow obeys dy / drho = E with the noise prediction
E = rho y / (Lambda + rho^2).
"""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import variance

rho, rho_t, rho_s = sp.symbols("rho rho_t rho_s", positive=True)
y = sp.Symbol("y", real=True)
ratio, k, c, h, length = sp.symbols("r k c h L", positive=True)
e, slope = sp.symbols("E E'", real=True)
u = sp.Symbol("u", real=True)
i = sp.Symbol("i", integer=True)
steps = sp.Symbol("N", integer=True, positive=True)
v0, alpha = sp.symbols("v_0 alpha", positive=True)
alpha_tau = sp.Symbol("alpha_tau", positive=True)

ddim = (variance + rho_s * rho_t) / (variance + rho_t**2)
"""What a DDIM step multiplies y by."""
exact = sp.sqrt((variance + rho_s**2) / (variance + rho_t**2))
"""What the flow multiplies y by."""
best_scale = rho_t * (rho_t - rho_s) / ((variance + rho_t**2) * (1 - exact))
"""The scale of the noise prediction with which a DDIM step is exact."""

STATEMENTS = (
    Statement(
        "ddim-loses-variance",
        variance + rho_s**2 - ddim**2 * (variance + rho_t**2),
        variance * (rho_t - rho_s) ** 2 / (variance + rho_t**2),
        note="A DDIM step with the exact model, from a state of the right variance, arrives with too little: discretization alone.",
    ),
    Statement(
        "wrong-variance-flow",
        sp.Derivative(y * sp.sqrt(ratio**2 * variance + rho**2), rho),
        rho / (ratio**2 * variance + rho**2) * y * sp.sqrt(ratio**2 * variance + rho**2),
        note="A model that believes in the variance r^2 Lambda carries y along the root of r^2 Lambda + rho^2: its flow is known.",
    ),
    Statement(
        "wrong-variance-end",
        sp.Limit(
            sp.sqrt(ratio**2 * variance / (ratio**2 * variance + rho**2)) / sp.sqrt(variance / (variance + rho**2)), rho, sp.oo
        ),
        ratio,
        note="Followed from pure noise to the data, it ends with r times the spread of the law's flow: approximation error alone.",
    ),
    Statement(
        "published-time-of-a-correct-state",
        alpha**2 * v0 + (1 - alpha**2),
        1 - alpha_tau**2,
        given={alpha_tau: alpha * sp.sqrt(1 - v0)},
        assumptions="variance-preserving schedule, v0 < 1",
        note="Time-Shift's published rule finds, for a correct state, the time at which alpha^2 is smaller by 1 - v0.",
    ),
    Statement(
        "scaled-noise-flow",
        sp.Derivative(y * (variance + rho**2) ** (1 / (2 * k)), rho),
        rho / (k * (variance + rho**2)) * y * (variance + rho**2) ** (1 / (2 * k)),
        note="A noise prediction divided by k has the exact flow's path raised to the power 1 / k.",
    ),
    Statement(
        "scale-that-makes-ddim-exact",
        1 - (rho_t - rho_s) * rho_t / (k * (variance + rho_t**2)),
        exact,
        given={k: best_scale},
        note="For one variance and one step there is a scale of the noise prediction with which DDIM makes no error.",
    ),
    Statement(
        "dual-fast-error",
        sp.Integral(e + slope * u, (u, 0, h)) - h * ((1 + c) * e - c * (e - h * slope)),
        (1 - 2 * c) * slope * h**2 / 2,
        assumptions="noise prediction E + E' u along the path, equal steps h of rho",
        note="Leaning away from the prediction one step before leaves 1 - 2c of the first-order error, and none at c = 1/2.",
    ),
    Statement(
        "dual-fast-does-not-converge",
        sp.Sum(c * slope * (i * length / steps) * (length / steps), (i, 0, steps - 1)),
        c * slope * length**2 / 2 * (1 - 1 / steps),
        assumptions="noise prediction E + E' u along the path, N equal steps on the length L",
        ranges={steps: (3, 9)},
        note="Leaning away from the prediction at the start adds c times an integral that does not vanish with the steps.",
    ),
)
