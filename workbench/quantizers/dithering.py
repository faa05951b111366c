"""Dithering: rounding by chance, anew at every step, so that a solver averages what would otherwise add up.

An error that is the same at every visit is integrated: it reaches the end whole.  Independent errors of variance s^2 are summed with weights
h each, and N of them leave h^2 N s^2 = h s^2 over a unit of time: four times the evaluations halve what is left, which is one bit.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time
from workbench.quantizers import rounding
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class RoundedAnswers(Denoiser):
    """A model whose velocity is rounded to multiples of ``step``: the smallest example of a model in few bits.

    Args:
        model: what is rounded.
        step: between two levels.
        rounding: "nearest", or "stochastic", with a new draw for every number of every answer.
        generator: for the draws.

    Raises:
        ValueError: for a step that is not positive, an unknown rounding, or chance without a generator.
    """

    model: Denoiser
    step: float
    rounding: str = "nearest"
    generator: torch.Generator | None = None
    predicts = "velocity"

    def __post_init__(self) -> None:
        rounding.check(self.rounding)
        if not self.step > 0:
            raise ValueError(f"step={self.step}; the distance between two levels must be positive")
        if self.rounding == "stochastic" and self.generator is None:
            raise ValueError("rounding by chance draws; pass generator=torch.Generator().manual_seed(0)")

    @property
    def schedule(self) -> Schedule:
        """That of the model."""
        return self.model.schedule

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """The nearest multiples, or one of the two neighbors."""
        codes = rounding.round_to_whole(self.model.velocity(x, t) / self.step, self.rounding, self.generator)
        return codes.to(x.dtype) * self.step


def dither_covariance(
    model: Denoiser, grid: Float[Tensor, "points"], variance: float | Float[Tensor, "steps"], dim: int
) -> Float[Tensor, "dim dim"]:
    """What independent errors of the velocity leave at the end of Euler's method, exactly, for a model that is linear in x.

        sum over steps k of  (h_k)^2 s_k^2 P_k P_k^T,    P_k = M_(N-1) ... M_(k+1),   M_j = I + (t_(j+1) - t_j) A(t_j),

    with A the matrix of the velocity.  Where h is small it is about h times the integral of s^2 Phi Phi^T: proportional to the step.

    Args:
        model: a linear one, for example a :class:`workbench.gaussian.GaussianDenoiser` of vectors.
        grid: the times of Euler's method in t.
        variance: of one coordinate of the error, s^2 at each step or the same for all.
        dim: coordinates of a vector.

    Raises:
        ValueError: for variances that do not fit the grid, or are negative.
    """
    spread = torch.as_tensor(variance, dtype=torch.float64)
    if spread.shape not in ((), (len(grid) - 1,)) or bool((spread < 0).any()):
        raise ValueError(
            f"variance has shape {tuple(spread.shape)}; give one number, or one for each of {len(grid) - 1} steps, >= 0"
        )
    spread = spread.expand(len(grid) - 1)
    axes, origin = torch.eye(dim, dtype=torch.float64), torch.zeros(1, dim, dtype=torch.float64)
    passed, total = axes, torch.zeros(dim, dim, dtype=torch.float64)
    for k in reversed(range(len(grid) - 1)):
        t, h = float(grid[k]), float(grid[k + 1] - grid[k])
        total = total + h * h * spread[k] * passed @ passed.T
        slopes = (model.velocity(axes, t) - model.velocity(origin, t)).T
        passed = passed @ (axes + h * slopes)
    return total
