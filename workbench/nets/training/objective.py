"""What a network is asked for: its loss on one batch, for each sample, and nothing about how it is trained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.denoiser import Denoiser, per_sample
from workbench.draws import normal
from workbench.nets.training.levels import LogNormal
from workbench.preconditioned import Preconditioned
from workbench.schedules import Schedule


class Objective(ABC):
    """A loss in two halves: what is drawn, and how the model's answer is judged.

    All draws of a step come first and for the whole batch, so that several processes can share it out and still do what one would.

    A loss that compares the model with a slow copy of itself says so with ``target_halflife``, in samples: the trainer then keeps that
    copy, a moving average of the weights beside the one it returns, and binds it with :meth:`towards`.
    """

    target_halflife: float | None = None

    def towards(self, target: Denoiser) -> "Objective":
        """The same objective with ``target`` as the model's slow copy, whose weights the trainer goes on changing."""
        raise TypeError(f"{type(self).__name__} looks at no slow copy of the model; leave its target_halflife None")

    @abstractmethod
    def check(self, model: Denoiser) -> None:
        """Raise TypeError or ValueError unless ``model`` can be trained on this objective."""

    @abstractmethod
    def times(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw the time of each sample."""

    @abstractmethod
    def judge(
        self, model: Denoiser, x0: Float[Tensor, "batch *shape"], noise: Float[Tensor, "batch *shape"], t: Float64[Tensor, "batch"]
    ) -> Float[Tensor, "batch"]:
        """The loss of each sample at  alpha x_0 + sigma noise."""

    def draw(
        self,
        schedule: Schedule,
        x0: Float[Tensor, "batch *shape"],
        generator: torch.Generator,
        noise: Float[Tensor, "batch *shape"] | None = None,
    ) -> tuple[Float[Tensor, "batch *shape"], Float64[Tensor, "batch"]]:
        """Draw the time of each sample, and its noise unless it has some already."""
        t = self.times(schedule, len(x0), generator)
        return normal(x0.shape, generator, x0.dtype, x0.device) if noise is None else noise, t

    def losses(
        self, model: Denoiser, x0: Float[Tensor, "batch *shape"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
        """Return the loss of each sample, and its time."""
        noise, t = self.draw(model.schedule, x0, generator)
        return self.judge(model, x0, noise, t), t


def noisy(schedule: Schedule, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """alpha x_0 + sigma noise, each sample at its own time."""
    return per_sample(schedule.alpha(t), x0) * x0 + per_sample(schedule.sigma(t), x0) * noise


@dataclass(frozen=True)
class Denoising(Objective):
    """|data(x_t, t) - x_0|^2 / (d scale(t)^2): the error of the posterior mean, in units of what the preconditioner leaves over.

    With x_t = alpha x_0 + sigma eps and t from ``levels``.  The weight makes the target of the raw network of unit variance, so an
    untrained network (F = 0) has loss 1 at every noise level: exactly so, in the mean over the law that the preconditioner knows.
    """

    levels: LogNormal = field(default_factory=LogNormal)

    def check(self, model: Denoiser) -> None:
        """Raise TypeError unless the model has a preconditioner, whose scale weighs the loss."""
        if not isinstance(model, Preconditioned):
            raise TypeError(
                f"Denoising needs a Preconditioned model (EDMDenoiser, GaussianPreconditioned), got {type(model).__name__}; "
                "wrap the network in one of them, or train a velocity with FlowMatching"
            )

    def times(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw from ``levels``."""
        return self.levels.draw(schedule, batch, generator)

    def judge(
        self,
        model: Preconditioned,
        x0: Float[Tensor, "batch *shape"],
        noise: Float[Tensor, "batch *shape"],
        t: Float64[Tensor, "batch"],
    ) -> Float[Tensor, "batch"]:
        """The squared error over scale^2, in the mean over coordinates."""
        error = (model.data(noisy(model.schedule, x0, noise, t), t) - x0) / per_sample(model.scale(t), x0)
        return error.square().flatten(1).mean(1)
