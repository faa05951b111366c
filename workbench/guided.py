"""Classifier-free guidance: two denoisers combined into a third."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.denoiser import Denoiser, Time
from workbench.schedules import Schedule


@dataclass(frozen=True)
class Guided(Denoiser):
    """Classifier-free guidance: unconditional + scale * (conditional - unconditional), the same in every face.

    scale = 1 is the conditional model.  Paper: ``ho2022cfg``.

    Raises:
        ValueError: when the two models live on different schedules (use ``model.on(schedule)``).
    """

    conditional: Denoiser
    unconditional: Denoiser
    scale: float
    paper = "ho2022cfg"

    def __post_init__(self) -> None:
        if self.conditional.schedule != self.unconditional.schedule:
            raise ValueError(
                f"the conditional model lives on {self.conditional.schedule}, the unconditional one on {self.unconditional.schedule}; "
                "guidance needs one schedule: use model.on(schedule)"
            )

    @property
    def schedule(self) -> Schedule:
        """The schedule of both models."""
        return self.conditional.schedule

    @property
    def predicts(self) -> str:
        """The native face the two share, else the data prediction."""
        return self.conditional.predicts if self.conditional.predicts == self.unconditional.predicts else "data"

    @property
    def cost(self) -> int:
        """The sum of both models' costs."""
        return self.conditional.cost + self.unconditional.cost

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """Extrapolate from the unconditional through the conditional prediction."""
        ask = "predict" if self.conditional.predicts == self.unconditional.predicts else "data"
        return torch.lerp(getattr(self.unconditional, ask)(x, t), getattr(self.conditional, ask)(x, t), self.scale)
