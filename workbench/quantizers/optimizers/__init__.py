"""Optimizers that keep their moments in few bits: the interface of ``torch.optim``, an eighth of the memory."""

from workbench.quantizers.optimizers import formats
from workbench.quantizers.optimizers.adamw import AdamW
from workbench.quantizers.optimizers.base import FewBits, NonFiniteGradient
from workbench.quantizers.optimizers.packed import Packed
from workbench.quantizers.optimizers.sgd import SGD

__all__ = ["SGD", "AdamW", "FewBits", "NonFiniteGradient", "Packed", "formats"]
