"""An exponential moving average of the weights, which forgets its start as it goes."""

import copy

import torch
from torch import nn


class Average:
    """w <- beta w + (1 - beta) weights,  beta = 2^(-images / halflife),  halflife = min(``halflife``, ``ramp`` x images seen).

    The half-life counts images, so it means the same for every batch size, and grows with training at first, so that the random
    start is forgotten (as in EDM, ``karras2022edm``).
    """

    def __init__(self, net: nn.Module, halflife: float, ramp: float = 0.05) -> None:
        if halflife <= 0 or ramp <= 0:
            raise ValueError(f"halflife and ramp must be positive, got {halflife} and {ramp}")
        self.net = copy.deepcopy(net).requires_grad_(False).eval()
        self.halflife, self.ramp, self._own = halflife, ramp, list(self.net.parameters())

    @torch.no_grad()
    def update(self, net: nn.Module, images: int, seen: int) -> None:
        """Take in the weights of ``net`` after a step on ``images`` images, ``seen`` in all."""
        beta = 0.5 ** (images / min(self.halflife, self.ramp * seen))
        torch._foreach_lerp_(self._own, [p.detach() for p in net.parameters()], 1 - beta)
        for own, other in zip(self.net.buffers(), net.buffers(), strict=True):
            own.copy_(other)
