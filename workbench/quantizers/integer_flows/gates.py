"""Filters that can be switched off, so that training says which ones it needs."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Gates(nn.Module):
    """h -> h * 1[p > 1/2], one learned p for each channel of ``h``, all 0.9 at the start.

    On the way back the step counts as the identity while 0 <= p <= 1, and as constant outside.  :attr:`price` is the sum of p, cut to
    0..1: added to a loss, it pulls every p down at the same rate (L1), and only the gates that the loss needs stay open.  The gate with
    the largest p never closes: a layer without channels would be no layer.

    Args:
        channels: how many.
    """

    START = 0.9

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"got {channels} channels; there must be at least 1 to gate")
        self.p = nn.Parameter(torch.full((channels,), self.START))

    @property
    def open(self) -> Bool[Tensor, " channels"]:
        """Which channels pass."""
        passes = self.p.detach() > 0.5
        passes[self.p.detach().argmax()] = True
        return passes

    @property
    def price(self) -> Float[Tensor, ""]:
        """The sum of p, between 0 and the number of channels."""
        return self.p.clamp(0, 1).sum()

    def forward(self, h: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n channels height width"]:
        """``h`` with closed channels at 0."""
        soft = self.p.clamp(0, 1)
        mask = soft + (self.open.to(soft.dtype) - soft).detach()
        return h * mask[:, None, None]
