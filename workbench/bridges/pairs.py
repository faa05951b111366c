"""What is learned, or known, about pairs of clean and degraded samples: a denoiser for each end point."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.pinned import Pinned
from workbench.denoiser import Denoiser


class Pairs(ABC):
    """The joint law of (x_0, x_T), seen along a bridge.

    ``given(end)`` binds a batch of end points and returns the denoiser of the shifted state y_t: an ordinary :class:`Denoiser` of the
    law of x_0 given x_T.  A trained network has the same method.

    Attributes:
        schedule: the bridge.
    """

    schedule: Pinned

    @abstractmethod
    def given(self, end: Float[Tensor, "batch *shape"]) -> Denoiser:
        """The denoiser bound to the end points ``end``, one for each sample."""


def check_pinned(schedule: object, who: str) -> None:
    """Raise TypeError unless ``schedule`` is a bridge's."""
    if not isinstance(schedule, Pinned):
        raise TypeError(f"{who} needs a bridge schedule such as wb.bridges.Bridge(), got {schedule!r}")


def check_end(end: object, shape: torch.Size) -> None:
    """Raise TypeError or ValueError unless ``end`` is a batch of finite samples of this shape."""
    if not isinstance(end, Tensor) or not end.is_floating_point():
        got = f"dtype {end.dtype}" if isinstance(end, Tensor) else type(end).__name__
        raise TypeError(f"end points must be a floating-point tensor (batch, *shape), got {got}")
    if end.shape[1:] != shape or end.ndim != len(shape) + 1 or not bool(end.isfinite().all()):
        raise ValueError(f"end points need shape (batch, {', '.join(map(str, shape))}) and finite entries, got {tuple(end.shape)}")
