"""How a solver passes a small error of the velocity on to the end: the linear part exactly, and Gronwall's bound.

Along a path of x' = v(x, t), a small change e of the velocity moves the state by delta with

    delta' = J(x, t) delta + e(x, t),      delta = integral of Phi(end, t) e(x_t, t) dt,

J the Jacobian of v and Phi what its flow makes of a small displacement.  The sum is signed: errors at different times may cancel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

from workbench.denoiser import Denoiser, Time
from workbench.quantizers.score_error import check_schedules
from workbench.schedules import Schedule
from workbench.solve import solve
from workbench.solvers import Solver


@dataclass(frozen=True, eq=False)
class Linearized(Denoiser):
    """A state and its first-order shift, carried along together: (batch, 2, \\*shape), first x, then delta.

    Its velocity is (v, J delta + e) with e = small - full at x.  Every solver is linear in what the model says, so a solver that is
    given this model returns its own derivative: the shift of *its* end points, not of exact ones.

    Raises:
        ValueError: for models on different schedules.
    """

    full: Denoiser
    small: Denoiser
    predicts = "velocity"

    def __post_init__(self) -> None:
        check_schedules(self.small, self.full)

    @property
    def schedule(self) -> Schedule:
        """That of both models."""
        return self.full.schedule

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """(v, J delta + e), by one forward derivative of the full model and one call of the small one."""
        state, shift = x.unbind(1)
        velocity, moved = jvp(lambda y: self.full.velocity(y, t), (state,), (shift.contiguous(),))
        return torch.stack([velocity, moved + self.small.velocity(state, t) - velocity], 1)


def endpoint_shift(
    small: Denoiser,
    full: Denoiser,
    x: Float[Tensor, "batch *shape"],
    grid: Float[Tensor, "points"] | Sequence[float],
    solver: Solver,
) -> Float[Tensor, "batch *shape"]:
    """To first order, what the error of ``small`` does to where ``solver`` ends: x_end(small) - x_end(full) as small -> full.

    Three calls' worth for each evaluation.  Compare it with the difference itself: where they part, the error is no longer small.

    Args:
        small: the model in few bits.
        full: the model in full precision; it must allow forward derivatives.
        x: states at ``grid[0]``.
        grid: times, as for :func:`workbench.solve`.
        solver: any that is not stochastic.

    Raises:
        ValueError: for models on different schedules, or a stochastic solver.
    """
    if solver.stochastic:
        raise ValueError(f"{type(solver).__name__} is stochastic; a shift from end point to end point needs a deterministic solver")
    both = torch.stack([x, torch.zeros_like(x)], 1)
    return solve(Linearized(full, small), both, grid, solver).x[:, 1]


def gronwall(
    times: Float[Tensor, "points"] | Sequence[float],
    errors: Float[Tensor, "points"] | Sequence[float],
    lipschitz: float | Float[Tensor, "points"] | Sequence[float],
) -> float:
    """The bound  |delta(end)| <= integral of exp(integral of L from t to the end) |e(t)| dt,  by the trapezoidal rule.

    L bounds the stretching of the flow: |v(x, t) - v(y, t)| <= L |x - y|.  The bound takes every error at its worst, with no sign and in
    the direction that grows most; it is never exceeded, and seldom near.

    Args:
        times: in the order in which they are passed, either way.
        errors: |e| at each.
        lipschitz: L, one number or one at each time.

    Raises:
        ValueError: for fewer than two times, other numbers of them, or a negative error.
    """
    t = torch.as_tensor(times, dtype=torch.float64)
    size = torch.as_tensor(errors, dtype=torch.float64)
    slope = torch.as_tensor(lipschitz, dtype=torch.float64).expand(len(t))
    if len(t) < 2 or size.shape != t.shape or bool((size < 0).any()):
        raise ValueError(
            f"got {len(t)} times and errors {tuple(size.shape)}; two or more are needed, and errors that are not negative"
        )
    spent = torch.cat([t.new_zeros(1), (t - t[0]).abs()[1:]])
    grown = torch.cumulative_trapezoid(slope, spent)
    growth = torch.cat([grown.new_zeros(1), grown])
    return float(torch.trapezoid((growth[-1] - growth).exp() * size, spent))
