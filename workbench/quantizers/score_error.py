"""Quantization error as an error of the score: how wrong the answer of a network in few bits is, by time and by layer.

A solver never sees weights.  It sees the velocity (or the score, the noise, the data), and few bits are to it a small change of that,

    v_small(x, t) = v(x, t) + e(x, t),

the same at every visit when the weights are rounded, and a new one at every visit when activations are rounded by chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import FACES, Denoiser
from workbench.quantizers.model import layers_of, net_of, quantized
from workbench.quantizers.quantizer import Quantizer


@dataclass(frozen=True, eq=False)
class ErrorByTime:
    """The error of one face along given states.

    Attributes:
        times: (points,) float64.
        error: (points,), the root of the mean square of an entry of e.
        size: (points,), the same of the face itself.
        bias: (points,), the same of the mean of e over the batch: what all samples share.
    """

    times: Tensor
    error: Tensor
    size: Tensor
    bias: Tensor

    @property
    def relative(self) -> Float[Tensor, "points"]:
        """error / size."""
        return self.error / self.size


@torch.no_grad()
def score_error(
    small: Denoiser,
    full: Denoiser,
    xs: Float[Tensor, "points batch *shape"],
    times: Float[Tensor, "points"] | Sequence[float],
    face: str = "velocity",
) -> ErrorByTime:
    """How far the answers of ``small`` are from those of ``full`` at states ``xs`` and their ``times``.

    Take the states from a run of the full model, ``wb.solve(full, noise, grid, solver, trajectory=True)``: its ``xs`` and ``grid``.

    Args:
        small: the model in few bits.
        full: what it should have said.
        xs: states.
        times: one for each; where a face is not defined (sigma = 0), leave the point out.
        face: "velocity", "score", "noise" or "data".

    Raises:
        ValueError: for an unknown face, other numbers of states and times, or models on different schedules.
    """
    rows = [[rms(wrong), rms(right), rms(wrong.mean(0))] for right, wrong in right_and_wrong(small, full, xs, times, face)]
    error, size, bias = torch.tensor(rows, dtype=torch.float64).T
    return ErrorByTime(torch.as_tensor(times, dtype=torch.float64), error, size, bias)


def error_of_layers(
    full: Any,
    weights: Quantizer,
    xs: Float[Tensor, "points batch *shape"],
    times: Float[Tensor, "points"] | Sequence[float],
    face: str = "velocity",
    *,
    layers: Sequence[str] | None = None,
) -> Mapping[str, ErrorByTime]:
    """:func:`score_error` with one layer in few bits at a time and all others in full: which layer costs what, and when.

    Layer errors are small and mostly unrelated, so their squares nearly add up to that of the whole network; how nearly is worth a look.

    Args:
        full: a denoiser with a network in its field ``net``.
        weights: how the layer is quantized.
        xs, times, face: as for :func:`score_error`.
        layers: their names; all by default.
    """
    names = [name for name, _ in layers_of(net_of(full))] if layers is None else layers
    return {name: score_error(quantized(full, weights={name: weights}), full, xs, times, face) for name in names}


def right_and_wrong(
    small: Denoiser, full: Denoiser, xs: Tensor, times: Tensor | Sequence[float], face: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """The answer of ``full`` and the error of ``small`` at each state and its time, in float64; checked before any work.

    Raises:
        ValueError: as :func:`score_error`.
    """
    if face not in FACES:
        raise ValueError(f"face={face!r}; it is one of {', '.join(FACES)}")
    check_schedules(small, full)
    if len(xs) != len(times):
        raise ValueError(f"got {len(xs)} states and {len(times)} times; every state has one time")
    for x, t in zip(xs, torch.as_tensor(times, dtype=torch.float64).tolist(), strict=True):
        right = getattr(full, face)(x, t).double()
        yield right, getattr(small, face)(x, t).double() - right


def check_schedules(small: Denoiser, full: Denoiser) -> None:
    """Raise ValueError unless both models live on one schedule."""
    if small.schedule != full.schedule:
        raise ValueError(f"the models live on {small.schedule} and {full.schedule}; put both on one with .on(schedule)")


def rms(x: Tensor) -> float:
    """The root of the mean square of all entries."""
    return float(x.double().square().mean().sqrt())
