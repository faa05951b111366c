"""Gradient descent whose momentum is stored in few bits."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from workbench.quantizers.optimizers.base import FewBits
from workbench.quantizers.optimizers.formats import FIRST, Format


class SGD(FewBits):
    """Stochastic gradient descent with its momentum in few bits (``li2023fourbit``), a stand-in for ``torch.optim.SGD``.

        g <- g + weight_decay w
        m <- momentum m + (1 - dampening) g          (m <- g in the first step)
        w <- w - lr m,   with nesterov  w <- w - lr (g + momentum m)

    Args:
        params, lr, momentum, dampening, weight_decay, nesterov, maximize: as for ``torch.optim.SGD``.
        first: how m is stored: any quantizer, or None for 32 bits.
        smallest: parameters with fewer entries are kept in 32 bits.
        generator: for a quantizer that rounds by chance; one number is drawn from it.

    Raises:
        ValueError, TypeError: for settings that cannot be worked with, parameters that are not real numbers.
    """

    moments = {"momentum_buffer": "first"}
    paper = "li2023fourbit"

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        first: Format = FIRST,
        smallest: int = 4096,
        generator: torch.Generator | None = None,
    ) -> None:
        named = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, named | {"maximize": maximize, "first": first, "smallest": smallest}, generator)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError or TypeError for settings that cannot be worked with."""
        super().check(group)
        if not 0 <= group["momentum"] < float("inf"):
            raise ValueError(f"momentum={group['momentum']!r}; it needs to be 0 or more, such as 0.9")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("nesterov=True looks ahead along the momentum; it needs momentum above 0 and dampening=0")

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        momentum = group["momentum"]
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        if momentum:
            if state.get("momentum_buffer") is None:
                m = gradient.clone()
            else:
                m = self.read(state, "momentum_buffer", parameter).mul_(momentum).add_(gradient, alpha=1 - group["dampening"])
            self.write(state, "momentum_buffer", m, group)
            gradient = gradient.add(m, alpha=momentum) if group["nesterov"] else m
        parameter.add_(gradient, alpha=-float(group["lr"]))
