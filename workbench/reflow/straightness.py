"""How straight a flow is, and what its coupling costs: the numbers that say whether few steps will do."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.grids import uniform
from workbench.solve import solve
from workbench.solvers import Heun, Solver


def straightness(flow: Denoiser, noise: Float[Tensor, "n *shape"], *, steps: int = 64, solver: Solver | None = None) -> float:
    """S = integral over t of E|(Z_1 - Z_0) - velocity(Z_t, t)|^2 along the flow from ``noise``, summed over dimensions.

    0 exactly where one Euler step is exact.  The integral is taken by the trapezoidal rule on the grid of the solver.
    Paper: ``liu2023rectified``.

    Args:
        flow: a denoiser on ``Rectified()``.
        noise: states at t = 1.
        steps: of the solver, and of the rule.
        solver: ``Heun(variable="t")`` by default.
    """
    grid = uniform(flow.schedule, steps, start=1.0, stop=0.0)
    states = solve(flow, noise, grid, solver or Heun(variable="t"), trajectory=True).xs
    chord = states[0] - states[-1]
    with torch.no_grad():
        bends = [
            (chord - flow.velocity(x, float(t))).double().square().flatten(1).sum(1).mean()
            for x, t in zip(states, grid, strict=True)
        ]
    return float(-torch.trapezoid(torch.stack(bends), grid))


def transport_cost(x0: Tensor, noise: Tensor) -> float:
    """E|z - x_0|^2 over pairs (n, \\*shape), summed over dimensions: what a coupling costs.  Reflow never raises it.

    Raises:
        ValueError: for other shapes than one and the same, or no pairs.
    """
    if x0.shape != noise.shape or not len(x0):
        raise ValueError(f"got data {tuple(x0.shape)} and noise {tuple(noise.shape)}; pairs of one shape are needed")
    return float((noise.double() - x0.double()).square().flatten(1).sum(1).mean())
