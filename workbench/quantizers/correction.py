"""What can be taken back of a quantization error: its part along the answer, and its mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time
from workbench.quantizers.score_error import right_and_wrong
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Corrected(Denoiser):
    """(answer - bias_t) / (1 + k_t), with the numbers of the nearest time in a table.

    The model's answer is written as  answer = (1 + k) right + bias + rest,  the rest of mean 0 and uncorrelated with the right answer.  The
    first two are known once they have been measured; the rest is what few bits have really cost.  Made by :func:`corrected`.
    Paper: ``he2023ptqd``.

    Attributes:
        model: in few bits.
        predicts: the face that is corrected.
        times: (entries,).
        along: (entries,), k.
        bias: (entries, \\*shape).
    """

    model: Denoiser
    times: Tensor
    along: Tensor
    bias: Tensor
    predicts: str = "noise"
    paper = "he2023ptqd"

    @property
    def schedule(self) -> Schedule:
        """That of the model."""
        return self.model.schedule

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """The corrected answer."""
        t = as_time(t, len(x))
        when = t if isinstance(t, Tensor) else torch.full((len(x),), t, dtype=torch.float64)
        place = (when.cpu()[:, None] - self.times).abs().argmin(1)
        scale = (1 + self.along[place]).to(x).view(-1, *[1] * (x.ndim - 1))
        return (getattr(self.model, self.predicts)(x, t) - self.bias[place].to(x)) / scale


@torch.no_grad()
def corrected(
    small: Denoiser,
    full: Denoiser,
    xs: Float[Tensor, "points batch *shape"],
    times: Float[Tensor, "points"] | Sequence[float],
    face: str = "noise",
) -> Corrected:
    """Measure k and the bias of ``small`` at states of the full model's paths, and return it corrected.

    k is the slope of the error over the right answer, both about their means; the bias is what is left on average, for each coordinate.

    Args:
        small, full: the model in few bits, and in full precision.
        xs: states at each time, at least two samples.
        times: one for each, where ``face`` is defined.
        face: "noise", "velocity", "data" or "score".

    Raises:
        ValueError: for fewer than two samples, an unknown face, other numbers of states and times, or models on different schedules.
    """
    if xs.shape[1] < 2:
        raise ValueError(f"got states {tuple(xs.shape)}; k and the bias need two samples or more at each time")
    along, bias = [], []
    for right, wrong in right_and_wrong(small, full, xs, times, face):
        spread = right - right.mean(0)
        along.append(((wrong - wrong.mean(0)) * spread).sum() / spread.square().sum().clamp(min=1e-300))
        bias.append(wrong.mean(0) - along[-1] * right.mean(0))
    return Corrected(small, torch.as_tensor(times, dtype=torch.float64), torch.stack(along), torch.stack(bias), face)
