"""The judge of grids: how far a solver ends from the end of the exact path, and what it costs to ask."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.metrics.relative import relative_error
from workbench.solve import solve
from workbench.solvers.base import Solver

Measure = Callable[[Tensor, Tensor], float]


class Judge:
    """Runs the solver on a grid from fixed noise, and compares where it ends with the truth.

    Args:
        model: what is sampled.
        solver: with what.
        noise: the fixed starts.
        truth: where their exact paths end.
        measure: (ends, truth) -> a number, lower is better; by default :func:`~workbench.metrics.relative_error`.

    Attributes:
        paid: evaluations so far, each of one sample.
    """

    def __init__(
        self,
        model: Denoiser,
        solver: Solver,
        noise: Float[Tensor, "batch *shape"],
        truth: Float[Tensor, "batch *shape"],
        measure: Measure | None = None,
    ) -> None:
        self.model, self.solver, self.noise, self.truth = model, solver, noise, truth
        self.measure, self.paid = relative_error if measure is None else measure, 0

    def __call__(self, times: Sequence[float], samples: int | None = None, model: Any = None) -> float:
        """The error on the first ``samples`` of the noise (all if None); ``model`` may take the place of the judge's own."""
        noise, truth = self.noise[:samples], self.truth[:samples]
        run = solve(self.model if model is None else model, noise, list(times), self.solver)
        self.paid += int(run.network_calls) * len(noise)
        return float(self.measure(run.x, truth))
