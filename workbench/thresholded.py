"""Thresholding: a denoiser whose data prediction is kept within the range that pixels can have."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, at_least_single
from workbench.schedules import Schedule


@dataclass(frozen=True)
class Thresholded(Denoiser):
    """Dynamic thresholding of ``model``: per sample, with s = max(quantile of |data|, floor),

        data <- clip(data, -s, s) floor / s

    so that every entry ends in [-floor, floor].  The other faces are derived from the new data prediction, hence consistent with
    it: a solver that reads the noise face follows the same thresholded model.  ``quantile=None`` clips at the floor instead
    (static thresholding).  At t = 0, where a denoiser only hands back x / alpha, nothing is done.  Paper: ``saharia2022imagen``.

    Args:
        model: any denoiser; its states must be in the units of the data, pixels in [-1, 1] for floor 1.
        quantile: in [0, 1], interpolated linearly as in ``torch.quantile``, but without its limit on size; None clips.
        floor: the range of the data, positive.
        ceiling: the largest s allowed (None: no limit); at ``ceiling=floor`` this is static clipping.

    Raises:
        ValueError: for a quantile outside [0, 1], a floor that is not positive and finite, a ceiling below the floor, or a ceiling
            without a quantile.
    """

    model: Denoiser
    quantile: float | None = 0.995
    floor: float | int = 1.0
    ceiling: float | int | None = None
    paper = "saharia2022imagen"
    predicts = "data"

    def __post_init__(self) -> None:
        if self.quantile is not None and not 0 <= self.quantile <= 1:
            raise ValueError(f"quantile must be in [0, 1], or None to clip at the floor; got {self.quantile!r}")
        if not 0 < self.floor < math.inf:
            raise ValueError(f"floor must be positive and finite, got {self.floor!r}; it is the range of the data, 1 for [-1, 1]")
        if self.ceiling is not None and (self.quantile is None or not self.ceiling >= self.floor):
            raise ValueError(
                f"ceiling={self.ceiling!r} must be at least floor={self.floor!r} and needs a quantile to limit, "
                f"got quantile={self.quantile!r}; leave it out"
            )

    @property
    def schedule(self) -> Schedule:
        """The schedule of the model."""
        return self.model.schedule

    @property
    def cost(self) -> int:
        """The cost of the model: thresholding needs no further evaluation."""
        return self.model.cost

    def predict(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch *shape"]:
        """The model's data prediction, thresholded."""
        return self.threshold(self.model.data(x, t))

    def threshold(self, data: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """clip(data, -s, s) floor / s with one s per sample; half precision is computed in float32."""
        wide = at_least_single(data)
        if self.quantile is not None and data.numel():
            s = quantile(wide.flatten(1).abs(), self.quantile).clamp(min=self.floor, max=self.ceiling)
            factor = torch.full_like(s, self.floor) / s  # exactly 1 at s = floor
            wide = wide * factor.view(-1, *[1] * (data.ndim - 1))
        return wide.clamp(-self.floor, self.floor).to(data.dtype)

    def given(self, condition: Any) -> "Thresholded":
        """The same thresholds on the model with the condition bound."""
        return replace(self, model=self.model.given(condition))

    def on(self, schedule: Schedule) -> "Thresholded":
        """The same thresholds on the model asked on another schedule."""
        return replace(self, model=self.model.on(schedule))


def quantile(values: Float[Tensor, "batch entries"], q: float) -> Float[Tensor, "batch"]:
    """The q-quantile of each row, interpolated linearly between neighbors; rows of any length, differentiable."""
    place = q * (values.shape[1] - 1)
    below = math.floor(place)
    largest = values.topk(values.shape[1] - below, dim=1).values
    return torch.lerp(largest[:, -1], largest[:, max(-2, -largest.shape[1])], place - below)
