"""Classifier-free guidance: two denoisers combined into a third."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from workbench.denoiser import FACES, Denoiser, Time
from workbench.schedules import Schedule


@dataclass(frozen=True)
class Guided(Denoiser):
    """Classifier-free guidance: unconditional + scale * (conditional - unconditional), the same in every face.

    scale = 1 is the conditional model.  Paper: ``ho2022cfg``.

    Raises:
        ValueError: when the two models live on different schedules (use ``model.on(schedule)``), or a scale that is not finite.
    """

    conditional: Denoiser
    unconditional: Denoiser
    scale: float
    paper = "ho2022cfg"

    def __post_init__(self) -> None:
        if not isinstance(self.scale, (int, float)) or not math.isfinite(self.scale):
            raise ValueError(
                f"scale must be a finite number, got {self.scale!r}; 1 is the conditional model, 0 the unconditional one"
            )
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
        return self.face(self.predicts, x, t)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """One face by name, from the same face of both models: neither is converted twice."""
        if target not in FACES:  # both predict v
            return torch.lerp(self.unconditional.predict(x, t), self.conditional.predict(x, t), self.scale)
        return torch.lerp(getattr(self.unconditional, target)(x, t), getattr(self.conditional, target)(x, t), self.scale)

    def given(self, condition: Any) -> "Guided":
        """The same pair with the condition bound to its conditional model."""
        return replace(self, conditional=self.conditional.given(condition))
