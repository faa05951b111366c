"""One step of an exponential Adams method: the polynomial through the model's answers at any nodes, integrated exactly.

    x_s = x x_t + sum_j past[j] m(nodes[j]) + noise z,    past[j] = integral over the step of the exponential weight times L_j(lambda)

Nodes at t and before give an explicit step (Adams-Bashforth: a predictor); with s among them it is implicit (Adams-Moulton: a
corrector).  DPM-Solver++ in its multistep forms, UniPC, DEIS in log rho and SA-Solver are made of nothing else.

Through two nodes the integral of the line has one free choice of higher order, and the published codes use it.  With z = -h for the
data face and h for noise, the weight phi_2(z) h^2 of the slope is replaced by B(h) h / 2:

    "B1":  B(h) = h              "B2":  B(h) = (e^z - 1) h / z              "varying":  no replacement

"B2" is also what DPM-Solver++ calls its midpoint form.

Book: ``solvers/multistep``, ``solvers/predictor_corrector``.  Papers: ``lu2022dpmpp``, ``zhao2023unipc``, ``xue2023sasolver``.
"""

import math
from collections.abc import Sequence
from typing import Literal

from workbench.schedules import Schedule
from workbench.solvers import lagrange
from workbench.solvers.exponential import Face, exact_step, phi
from workbench.solvers.multistep import Weights

Variant = Literal["B1", "B2", "varying"]


def interpolated(
    schedule: Schedule,
    t: float,
    s: float,
    nodes: Sequence[float],
    face: Face,
    tau: float = 0.0,
    variant: Variant = "varying",
    curvature: float = 1.0,
) -> Weights:
    """The weights of the step from t to s by the answers at the times ``nodes``.

    Args:
        schedule: the noise schedule.
        t, s: two times with alpha, sigma > 0.
        nodes: distinct times, as many as the formula's local order; t and s may be among them.
        face: which answer is interpolated.
        tau: strength of the noise: 0 the probability flow, 1 the reverse SDE of DDPM.
        variant: the weight of the slope where there are two nodes, see above.
        curvature: factor of the second derivative's weight where there are three; 1 is the exact integral.
    """
    start = schedule.log_snr(t)
    exact = exact_step(schedule, t, s, face, len(nodes), tau)
    moments = [math.factorial(k) * weight for k, weight in enumerate(exact.derivatives)]
    if len(nodes) == 2 and variant != "varying":
        h = schedule.log_snr(s) - start
        moments[1] = shortcut(moments[0], h, -(1 + tau * tau) * h if face == "data" else h, variant)
    if len(nodes) == 3:
        moments[2] *= curvature
    return Weights(t, exact.x, lagrange.weights([schedule.log_snr(node) - start for node in nodes], moments), exact.noise)


def shortcut(constant, h, z, variant: Variant):
    """What "B1" and "B2" put in the place of the slope's weight, from the weight of the constant: B(h) h / 2 up to the common scale."""
    return constant * h / 2 / (phi(1, z) if variant == "B1" else 1.0)
