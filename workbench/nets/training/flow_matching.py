"""Flow matching: the regression of a network on the velocity of straight lines from data to noise."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.nets.training.objective import Objective, noisy
from workbench.schedules import Rectified, Schedule


@runtime_checkable
class TimeDensity(Protocol):
    """Where on the time axis a network spends its attention: anything that draws times of a schedule, as ``LogNormal`` does."""

    def draw(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw one time of ``schedule`` for each sample."""


@runtime_checkable
class Premetric(Protocol):
    """How far a predicted velocity is from the line's own: 0 where they agree, positive elsewhere, and not always a metric."""

    def __call__(
        self,
        velocity: Float[Tensor, "batch *shape"],
        target: Float[Tensor, "batch *shape"],
        x: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The loss of each sample: ``velocity`` for ``target`` = eps - x_0 at ``x`` = x_t."""


@dataclass(frozen=True)
class Squared:
    """|velocity - target|^2 / d: its minimum is the mean of all targets that meet at x_t (``lipman2023flow``)."""

    def __call__(
        self,
        velocity: Float[Tensor, "batch *shape"],
        target: Float[Tensor, "batch *shape"],
        x: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The mean over coordinates of the squared error."""
        return (velocity - target).square().flatten(1).mean(1)


@dataclass(frozen=True)
class UniformTimes:
    """t uniform on (0, t_max]: every moment of the flow counts the same."""

    def draw(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw one time of ``schedule`` for each sample."""
        u = torch.rand(batch, generator=generator, dtype=torch.float64, device=generator.device)
        return schedule.t_max * (1 - u)


@dataclass(frozen=True)
class FlowMatching(Objective):
    """premetric(velocity(x_t, t), eps - x_0)  with  x_t = (1 - t) x_0 + t eps  (``lipman2023flow``, ``liu2023rectified``).

    With the squared premetric its minimum is the velocity E[eps - x_0 | x_t]; no weight is needed, because the target has about the
    same size at every t.

    Args:
        times_from: the density of t, uniform by default.
        premetric: how a velocity is judged, squared by default.
    """

    times_from: TimeDensity = field(default_factory=UniformTimes)
    premetric: Premetric = field(default_factory=Squared)

    def check(self, model: Denoiser) -> None:
        """Raise ValueError unless the model's schedule is Rectified, on which the velocity of a line is eps - x_0."""
        if not isinstance(model.schedule, Rectified):
            raise ValueError(
                f"FlowMatching needs a model on Rectified(), got {type(model.schedule).__name__}; give the model "
                "schedule=wb.schedules.Rectified(), e.g. NetworkDenoiser(net, Rectified(), predicts='velocity')"
            )

    def times(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw from ``times_from``."""
        return self.times_from.draw(schedule, batch, generator)

    def judge(
        self, model: Denoiser, x0: Float[Tensor, "batch *shape"], noise: Float[Tensor, "batch *shape"], t: Float64[Tensor, "batch"]
    ) -> Float[Tensor, "batch"]:
        """The premetric of each sample's velocity."""
        x = noisy(model.schedule, x0, noise, t)
        return self.premetric(model.velocity(x, t), noise - x0, x, t)
