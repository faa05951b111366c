"""What a network is asked for: its loss on one batch, for each sample, and nothing about how it is trained."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import per_sample
from workbench.draws import normal
from workbench.nets.training.levels import LogNormal
from workbench.preconditioned import Preconditioned


@dataclass(frozen=True)
class Denoising:
    """|data(x_t, t) - x_0|^2 / (d scale(t)^2): the error of the posterior mean, in units of what the preconditioner leaves over.

    With x_t = alpha x_0 + sigma eps and t from ``levels``.  The weight makes the target of the raw network of unit variance, so an
    untrained network (F = 0) has loss 1 at every noise level: exactly so, in the mean over the law that the preconditioner knows.
    """

    levels: LogNormal = field(default_factory=LogNormal)

    def losses(
        self, model: Preconditioned, x0: Float[Tensor, "batch *shape"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
        """Return the loss of each sample, and its time."""
        t = self.levels.draw(model.schedule, len(x0), generator)
        noise = normal(x0.shape, generator, x0.dtype, x0.device)
        noisy = per_sample(model.schedule.alpha(t), x0) * x0 + per_sample(model.schedule.sigma(t), x0) * noise
        error = (model.data(noisy, t) - x0) / per_sample(model.scale(t), x0)
        return error.square().flatten(1).mean(1), t
