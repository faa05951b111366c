"""A law moved by a different amount for each sample: x_0 = offset + residual, with one law for all residuals."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.pinned import check_ends
from workbench.denoiser import Denoiser, Time, as_time, per_sample
from workbench.gaussian.law import Law
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Displaced(Denoiser):
    """x_0 = offset_i + residual for sample i, the residual from ``law``:

        data = offset + law.data(x - alpha offset),     noise = law.noise(x - alpha offset),     the same for score and flow.

    What a Gaussian becomes when it is conditioned on something: the mean depends on what is known, the covariance does not.

    Args:
        law: of the residual.
        offset: (batch, \\*shape), one for each sample.

    Raises:
        ValueError: for offsets that do not have the law's shape; when asked about another number of samples.
    """

    law: Law
    offset: Tensor
    predicts = "data"

    def __post_init__(self) -> None:
        if self.offset.shape[1:] != self.law.shape:
            raise ValueError(f"offsets of shape {tuple(self.offset.shape)} do not fit a law of samples {tuple(self.law.shape)}")

    @property
    def schedule(self) -> Schedule:
        """That of the law."""
        return self.law.schedule

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.law.shape

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """E[x_0 | x_t]."""
        return self.face("data", x, t)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """One face, from the law's closed form."""
        t, offset = as_time(t, len(x)), self._offset(x)
        inner = self.law.face(target, x - per_sample(self.schedule.alpha(t), x) * offset, t)
        if target == "data":
            return inner + offset
        return inner + per_sample(self.schedule.d_alpha(t), x) * offset if target == "velocity" else inner

    def flow(self, x: Float[Tensor, "batch *shape"], t: float | int, s: float | int) -> Float[Tensor, "batch *shape"]:
        """Where the probability flow carries x_t by time s, exactly, for a law with a closed flow map.

        Raises:
            TypeError: for a law without one.
        """
        if not hasattr(self.law, "flow"):
            raise TypeError(f"{type(self.law).__name__} has no closed flow map; use wb.solvers.reference")
        offset, alpha = self._offset(x), self.schedule.alpha
        return self.law.flow(x - alpha(float(t)) * offset, t, s) + alpha(float(s)) * offset

    def on(self, schedule: Schedule) -> "Displaced":
        """The same law of the data on another schedule."""
        return Displaced(self.law.on(schedule), self.offset)

    def _offset(self, x: Tensor) -> Tensor:
        check_ends(x, self.offset)
        return self.offset.to(x)
