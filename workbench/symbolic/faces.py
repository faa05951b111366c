"""One model, four faces: data, noise, score and velocity determine each other."""

import sympy as sp

from workbench.symbolic.statements import Statement
from workbench.symbolic.symbols import alpha, alpha_dot, eps, sigma, sigma_dot, x, x0

score, velocity = sp.symbols("s v", real=True)
noisy = {
    score: -eps / sigma,
    velocity: alpha_dot * x0 + sigma_dot * eps,
    x: alpha * x0 + sigma * eps,
}
wronskian = alpha * sigma_dot - alpha_dot * sigma
turning = f"{sp.latex(wronskian)} is not 0"

STATEMENTS = (
    Statement("data-from-noise", x0, (x - sigma * eps) / alpha, noisy, note="Subtract the noise, undo the shrinking."),
    Statement("noise-from-data", eps, (x - alpha * x0) / sigma, noisy, note="What is not signal is noise."),
    Statement("data-from-score", x0, (x + sigma**2 * score) / alpha, noisy, note="The score points from x to the data."),
    Statement("score-from-data", score, (alpha * x0 - x) / sigma**2, noisy, note="The same, solved for the score."),
    Statement(
        "data-from-velocity",
        x0,
        (sigma_dot * x - sigma * velocity) / wronskian,
        noisy,
        assumptions=turning,
        note="Position and velocity are two equations for data and noise.",
    ),
    Statement(
        "noise-from-velocity",
        eps,
        (alpha * velocity - alpha_dot * x) / wronskian,
        noisy,
        assumptions=turning,
        note="The other unknown of the same two equations.",
    ),
    Statement(
        "velocity-from-score",
        velocity,
        alpha_dot / alpha * x + sigma * (alpha_dot * sigma / alpha - sigma_dot) * score,
        noisy,
        note="Drift plus half the squared diffusion times the score.",
    ),
)
