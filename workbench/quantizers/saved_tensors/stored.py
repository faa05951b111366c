"""What stands in for a saved tensor until the way back: codes, a mask of bits, or the tensor itself."""

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from workbench.quantizers import packing
from workbench.quantizers.quantizer import Quantized
from workbench.quantizers.saved_tensors.layout import Layout


class Stored:
    """The numbers in few bits.  It can be weakly referenced, and holds a weak reference to the storage they came from.

    Args:
        content: codes, a packed mask, or None for a tensor that is kept as it is.
        numbers: how many there are.
        storage: keeps the place of the numbers from being given to others.
    """

    def __init__(self, content: Quantized | Tensor | None, numbers: int, storage: StorageWeakRef) -> None:
        self.content, self.numbers, self.storage = content, numbers, storage

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        if self.content is None:
            return 0
        return self.content.nbytes if isinstance(self.content, Quantized) else self.content.untyped_storage().nbytes()

    def flat(self) -> Tensor:
        """The numbers again."""
        if isinstance(self.content, Quantized):
            return self.content.dequantize()
        return packing.unpack(self.content, 1, self.numbers).to(torch.bool)


@dataclass(frozen=True, eq=False)
class Small:
    """Stored numbers, seen as the tensor that was saved.  Several may share one :class:`Stored`."""

    stored: Stored
    layout: Layout

    def restore(self) -> Tensor:
        """The tensor, rounded."""
        return self.layout.view(self.stored.flat())


@dataclass(frozen=True, eq=False)
class Kept:
    """A tensor kept as it is, with the version that backward needs."""

    tensor: Tensor
    version: int
    stored: Stored | None = None

    def restore(self) -> Tensor:
        """The tensor itself.

        Raises:
            RuntimeError: when it has been changed since.
        """
        if self.tensor._version != self.version:
            raise RuntimeError(
                f"a tensor of shape {tuple(self.tensor.shape)} that backward needs was changed in place after it was saved (version "
                f"{self.tensor._version}, needed {self.version}); change it after backward, or change a copy"
            )
        return self.tensor


# Places of numbers and what is stored for them, as long as the graph holds it.
Places = weakref.WeakValueDictionary
