"""Epsilon scaling: a denoiser whose noise prediction is divided by a number near 1."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, per_sample
from workbench.noise_scale import NoiseScale, measured_scale
from workbench.schedules import Schedule


@dataclass(frozen=True)
class ScaledNoise(Denoiser):
    """noise(x, t) <- noise(x, t) / k(t); the other faces follow:  data <- data / k + (1 - 1 / k) x / alpha.

    k > 1 removes less noise in every step than the model asks for.  At t = 0 nothing is done; at alpha = 0 the data prediction of a
    scaled noise does not exist.  Paper: ``ning2024elucidating``, whose programs divide by k + b i, i the number of the step
    (:meth:`by_step`); how k is found from data there, :meth:`fit` does.  Book: ``solvers/two_kinds_of_error``.

    Args:
        model: any denoiser.
        scale: k, a number or a function of t (a float).

    Raises:
        ValueError: for a number that is not positive and finite; when asked, for a function that gives such a number, and at alpha = 0.
    """

    model: Denoiser
    scale: float | int | Callable[[float], float | int]
    paper = "ning2024elucidating"

    def __post_init__(self) -> None:
        if not callable(self.scale):
            _checked(self.scale, "everywhere")

    @classmethod
    def by_step(cls, model: Denoiser, k: float | int, b: float | int, grid: Float[Tensor, "points"]) -> "ScaledNoise":
        """Division by k + b i at grid[i], i = 0 at the start, and linearly between."""
        times = tuple(torch.as_tensor(grid, dtype=torch.float64).tolist())
        return cls(model, NoiseScale(times, tuple(k + b * i for i in range(len(times)))))

    @classmethod
    def fit(
        cls,
        model: Denoiser,
        x0: Float[Tensor, "samples *shape"],
        grid: Float[Tensor, "points"],
        solver,
        *,
        generator: torch.Generator,
    ) -> "ScaledNoise":
        """k(t) = rms of noise(x, t) over the sampler's states / rms of noise(x, t) over true noised data, at the times the solver asks.

        One run of the unscaled sampler from ``len(x0)`` fresh starts, and as many evaluations again for the true states;
        ``scale.evaluations`` says how many in all.  A linear model (Gaussian data) answers a state that is too small by a noise that is
        too small, so there the ratio is the sampler's lost spread, below 1, and dividing by it loses more.

        Raises:
            ValueError, TypeError: for data, a grid or a solver that cannot be used.
        """
        return cls(model, measured_scale(model, x0, grid, solver, generator))

    @property
    def schedule(self) -> Schedule:
        """That of the model."""
        return self.model.schedule

    @property
    def predicts(self) -> str:
        """Noise if that is what the model predicts, else data."""
        return "noise" if self.model.predicts == "noise" else "data"

    @property
    def cost(self) -> int:
        """That of the model."""
        return self.model.cost

    def predict(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch *shape"]:
        """The scaled noise prediction, or the data prediction that belongs to it."""
        k = self.at(t)
        if self.predicts == "noise":
            return self.model.noise(x, t) / per_sample(k, x)
        alpha = self.schedule.alpha(t)
        if not isinstance(t, Tensor) and alpha == 0:
            if k == 1:
                return self.model.data(x, t)
            raise ValueError(
                f"at t = {t} alpha = 0, and a noise prediction divided by {k} stands for no data; start at schedule.t_first"
            )
        return self.model.data(x, t) / per_sample(k, x) + per_sample((1 - 1 / k) / alpha, x) * x

    def at(self, t: Time) -> float | Tensor:
        """k(t): a float, or a float64 tensor (batch,) for a tensor of times."""
        if isinstance(t, Tensor) and t.ndim:
            return torch.tensor([self.at(float(one)) for one in t], dtype=torch.float64)
        return _checked(self.scale(float(t)), f"at t = {float(t)}") if callable(self.scale) else float(self.scale)

    def given(self, condition: Any) -> "ScaledNoise":
        """The same scale on the model with the condition bound."""
        return replace(self, model=self.model.given(condition))


def _checked(k: float | int, where: str) -> float:
    if isinstance(k, bool) or not isinstance(k, (int, float)) or not 0 < k < math.inf:
        raise ValueError(f"the noise prediction is divided by the scale, which must be positive and finite; got {k!r} {where}")
    return float(k)
