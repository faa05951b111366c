"""The numbers of a tensor in the order in which they lie in memory, so that views of the same memory are recognized and stored once."""

from dataclasses import dataclass

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

# Where numbers lie: (storage, version, dtype, offset, sizes, strides).
Place = tuple


@dataclass(frozen=True)
class Layout:
    """How flat numbers are viewed as a tensor again.

    Attributes:
        sizes: of the tensor with its axes in memory order, repeated axes of side 1.
        back: the order of axes that undoes it.
        shape: of the tensor.
    """

    sizes: tuple[int, ...]
    back: tuple[int, ...]
    shape: tuple[int, ...]

    def view(self, flat: Tensor) -> Tensor:
        """Flat numbers in memory order as the tensor they came from."""
        return flat.view(self.sizes).permute(self.back).expand(self.shape)


def in_memory_order(x: Tensor) -> tuple[Tensor, Layout, Place, StorageWeakRef]:
    """Return the numbers of ``x`` flat, how to view them as ``x``, their place, and a weak reference to the storage.

    Axes are sorted by stride, and an axis that only repeats (stride 0) counts once: x, x.T, x.flatten() and x[None].expand(9, ...) have
    the same flat numbers in the same place.  While the weak reference lives, no other storage gets the same place; the version tells the
    contents before and after a change in place apart.
    """
    shape = tuple(x.shape)
    for axis, (side, stride) in enumerate(zip(shape, x.stride(), strict=True)):
        if stride == 0 and side > 1:
            x = x.narrow(axis, 0, 1)
    order = sorted(range(x.ndim), key=lambda axis: (-x.stride(axis), axis))
    y = x.permute(order)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    storage = StorageWeakRef(x.untyped_storage())
    if y.is_contiguous():
        where = (x.numel(),)
    else:
        where = (tuple(y.shape), y.stride())
    return (
        y.reshape(-1),
        Layout(tuple(y.shape), back, shape),
        (storage.cdata, x._version, x.dtype, x.storage_offset(), *where),
        storage,
    )
