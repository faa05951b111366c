"""AdamW whose two moments take a byte a parameter together, and not eight."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from workbench.quantizers.optimizers.base import FewBits
from workbench.quantizers.optimizers.formats import FIRST, SECOND, Format


class AdamW(FewBits):
    """AdamW with moments in few bits (``li2023fourbit``), a stand-in for ``torch.optim.AdamW``.

        w <- (1 - lr weight_decay) w
        m <- b1 m + (1 - b1) g,     v <- b2 v + (1 - b2) g^2
        w <- w - lr / (1 - b1^t)  m / (sqrt(v / (1 - b2^t)) + eps)

    and then m and v are stored: by default 0.53 + 0.5 + 4 (R + C) / (R C) bytes for each entry of an R x C matrix, in
    place of 8.

    ``first`` should have 0 among its levels, so that a weight without gradient stays where it is.  ``second`` must not: a
    v that is rounded to 0 is divided by, and the weight flies off (its steps may not become 0 either, which those of
    ``Doubled`` and ``E4M3`` can).  With evenly spaced levels above 0 rounding makes a
    step at most sqrt(3/2) times too long, and otherwise too short.

        >>> net = torch.nn.Linear(128, 128)
        >>> small = AdamW(net.parameters(), lr=1e-3)

    Args:
        params, lr, betas, eps, weight_decay, maximize: as for ``torch.optim.AdamW``, groups with settings of their own
            included.
        amsgrad: refused; a third state would undo what the others save.
        first, second: how m and v are stored: any quantizer, :class:`Factored` (v only), or None for 32 bits.  A block
            with one side, (128,), runs along the flattened parameter.  Both may differ from group to group.
        smallest: parameters with fewer entries are kept in 32 bits.
        generator: for quantizers that round by chance.  One number is drawn from it, the seed of all that follows.

    Raises:
        ValueError, TypeError: for settings that cannot be worked with, parameters that are not real numbers.
    """

    moments = {"exp_avg": "first", "exp_avg_sq": "second"}
    largest = 1.8e19  # its square is within float32
    paper = ("li2023fourbit", "loshchilov2019adamw")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        first: Format = FIRST,
        second: Format = SECOND,
        smallest: int = 4096,
        generator: torch.Generator | None = None,
    ) -> None:
        named = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize}
        super().__init__(params, named | {"first": first, "second": second, "smallest": smallest}, generator)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError or TypeError for settings that cannot be worked with."""
        super().check(group)
        if len(group["betas"]) != 2 or not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"betas={group['betas']!r}; two numbers in [0, 1) are needed, such as (0.9, 0.999)")
        if not group["eps"] > 0:
            raise ValueError(f"eps={group['eps']!r}; it needs to be positive, for a weight that had no gradient yet has v = 0")
        if group["amsgrad"]:
            raise ValueError(
                "amsgrad=True keeps a third state, the largest v so far; it is not offered here: take torch.optim.AdamW"
            )

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        (beta1, beta2), rate = group["betas"], float(group["lr"])
        m, v = (self.read(state, name, parameter) for name in self.moments)
        step = state.setdefault("step", torch.zeros(()))
        step += 1
        if group["weight_decay"]:
            parameter.mul_(1 - rate * group["weight_decay"])
        m.lerp_(gradient, 1 - beta1)
        v.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        self.write(state, "exp_avg", m, group)
        self.write(state, "exp_avg_sq", v, group)
        if getattr(group["second"], "used_as_stored", False):
            v = self.read(state, "exp_avg_sq", parameter)
        count = float(step)
        lower = v.sqrt().div_((1 - beta2**count) ** 0.5).add_(group["eps"])
        parameter.addcdiv_(m, lower, value=-rate / (1 - beta1**count))
