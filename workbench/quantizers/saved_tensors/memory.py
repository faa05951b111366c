"""The memory of a network between forward and backward, in few bits."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.quantizers import packing
from workbench.quantizers.affine import Affine
from workbench.quantizers.model import net_of
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.saved_tensors.layout import in_memory_order
from workbench.quantizers.saved_tensors.module_names import ModuleNames
from workbench.quantizers.saved_tensors.stored import Kept, Places, Small, Stored
from workbench.quantizers.saved_tensors.tensor_record import AGAIN, CODES, MASK, PARAMETER, Saved

FULL = 32  # bits of a tensor that is kept as it is


class Memory:
    """What autograd saves while this context is open is stored in few bits, and restored when backward asks for it.

    Groups of ``group`` numbers, in memory order, run from their smallest to their largest, B = 2^b - 1 steps, rounded by chance:

        x ~ min + q (max - min) / B,    E[x again] = x,    Var <= (max - min)^2 / (4 B^2)

    So a gradient that is linear in what was saved keeps its mean exactly: weights of linear maps and convolutions.  Through a
    nonlinearity it does so to first order.  Bytes of n numbers: ceil(n b / 8) for the codes (b = 1, 2, 4, 8) and 8 for each group.
    Method and group size after ``liu2022gact``.

        memory = wb.quantizers.compressed(net, bits=4, generator=rng)
        with memory:
            loss(net).backward()
        memory.before, memory.after        # bytes

    It can be opened again for every step; :attr:`saved` is the account of the last pass.  Not for two threads at once.

    Attributes:
        bits: of all tensors, or by name; a name left out has ``default`` bits.  It may be changed between passes.
        saved: one :class:`Saved` for each tensor that autograd saved, in order.
    """

    paper = ("chen2021actnn", "liu2022gact")

    def __init__(
        self,
        net: nn.Module,
        bits: int | Mapping[str, int],
        group: int,
        generator: torch.Generator | None,
        smallest: int,
        rounding: str,
        default: int,
    ) -> None:
        self.net, self.group, self.generator, self.smallest, self.rounding = net, group, generator, smallest, rounding
        self.bits, self.default, self.saved = bits, default, []
        self._names, self._places, self._hooks = ModuleNames(net), Places(), None
        self._storages: dict[int, tuple[Any, int]] = {}

    def quantizer(self, bits: int) -> Quantizer:
        """What rounds a flat tensor to ``bits``."""
        return Affine(bits=bits, block=(self.group,), rounding=self.rounding, zero="free")

    def bits_of(self, name: str) -> int:
        """The bits of a tensor."""
        return self.bits if isinstance(self.bits, int) else self.bits.get(name, self.default)

    @property
    def before(self) -> int:
        """Bytes that autograd would have kept, each number once, parameters not counted."""
        return sum(saved.before for saved in self.saved)

    @property
    def after(self) -> int:
        """Bytes that it keeps."""
        return sum(saved.after for saved in self.saved)

    @property
    def storage_before(self) -> int:
        """Bytes of all memory that lies behind the saved tensors, measured; more than :attr:`before` where a view keeps a larger tensor."""
        return sum(nbytes for _, nbytes in self._storages.values())

    @property
    def held(self) -> int:
        """Bytes of codes, groups and masks that are alive now, measured: 0 after backward."""
        return sum(stored.nbytes for stored in list(self._places.values()))

    def nominal(self, saved: Saved) -> int:
        """Bytes of ``saved`` by the formula: codes and two numbers a group, one bit for each entry of a mask, or what it had."""
        if saved.stored_as == CODES:
            return packing.nbytes(saved.numbers, saved.bits) + 8 * -(-saved.numbers // self.group)
        return packing.nbytes(saved.numbers, 1) if saved.stored_as == MASK else saved.before

    def __enter__(self) -> "Memory":
        if self._hooks is not None:
            raise RuntimeError("this memory is open already; make a second one with compressed(...), or close it first")
        check_bits(self.bits, self.default)
        self.saved, self._storages = [], {}
        self._parameters = {x.untyped_storage().data_ptr() for x in (*self.net.parameters(), *self.net.buffers())}
        self._names.follow()
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda packed: packed.restore())
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        hooks, self._hooks = self._hooks, None
        self._names.leave()
        hooks.__exit__(*error)

    @torch.no_grad()
    def _pack(self, x: Tensor) -> Small | Kept:
        name = self._names.next()
        if _is_parameter(x) or x.untyped_storage().data_ptr() in self._parameters:
            return self._record(Kept(x.detach(), x._version), x, name, PARAMETER)
        flat, layout, place, storage = in_memory_order(x)
        self._storages[storage.cdata] = storage, x.untyped_storage().nbytes()
        bits = self.bits_of(name)
        why = self._why_kept(flat, x.requires_grad, bits)
        stored = self._places.get(place)
        if stored is not None:
            why = AGAIN
        else:
            content = None
            if why == CODES:
                content = self.quantizer(bits).quantize(flat, self.generator)
            elif why == MASK:
                content = packing.pack(flat.to(torch.uint8), 1)
            stored = self._places[place] = Stored(content, flat.numel(), storage)
        small = Kept(x.detach(), x._version, stored) if stored.content is None else Small(stored, layout)
        return self._record(small, x, name, why, flat.numel())

    def _why_kept(self, flat: Tensor, requires_grad: bool, bits: int) -> str:
        if flat.dtype == torch.bool:
            return MASK
        if not flat.is_floating_point():
            return "not floating"
        if not requires_grad:
            return "no gradient"
        if flat.numel() < self.smallest:
            return "few numbers"
        if bits == FULL:
            return "full precision"
        return CODES if bool(flat.isfinite().all()) else "not finite"

    def _record(self, small: Small | Kept, x: Tensor, name: str, why: str, numbers: int = 0) -> Small | Kept:
        numbers = numbers or x.numel()
        before = 0 if why in (AGAIN, PARAMETER) else numbers * x.element_size()
        after = small.stored.nbytes if why in (CODES, MASK) else before
        made_by = "" if x.grad_fn is None else x.grad_fn.name().removesuffix("0").removesuffix("Backward")
        bits = {CODES: self.bits_of(name), MASK: 1}.get(why, 0)
        self.saved.append(Saved(name, made_by, tuple(x.shape), x.dtype, numbers, why, bits, before, after))
        return small


def compressed(
    model: Any,
    bits: int | Mapping[str, int] = 4,
    *,
    group: int = 256,
    generator: torch.Generator | None = None,
    smallest: int = 1024,
    rounding: str = "stochastic",
    default: int = 8,
) -> Memory:
    """Return a context in which ``model`` remembers in few bits what backward needs; see :class:`Memory`.

    Args:
        model: a network, or a denoiser with one in its field ``net``.
        bits: of every saved tensor, 1 to 16, or 32 to keep it as it is; or by the names in ``Memory.saved``.
        group: numbers that share a smallest and a largest one.
        generator: for rounding.
        smallest: tensors with fewer numbers stay as they are.
        rounding: "stochastic"; "nearest" makes smaller errors that have a mean.
        default: bits of tensors that ``bits`` does not name.

    Kept as they are: parameters and their views (they exist anyway), whole numbers, tensors that no gradient passes (the data),
    small ones, and those with NaN or infinity, so that a breakdown shows as it would have.

    Raises:
        TypeError: for a model without a network.
        ValueError: for bits, group, smallest or rounding out of range, or no generator with stochastic rounding.
    """
    net = net_of(model)
    check_bits(bits, default)
    if isinstance(group, bool) or not isinstance(group, int) or group < 1:
        raise ValueError(f"group is {group!r}; a group has at least 1 number, and 256 is a good choice")
    if smallest < 0:
        raise ValueError(f"smallest is {smallest}; give the fewest numbers that are worth packing, 0 or more")
    Affine(block=(group,), rounding=rounding)
    if rounding == "stochastic" and generator is None:
        raise ValueError("stochastic rounding draws numbers: give generator=torch.Generator().manual_seed(...)")
    return Memory(net, bits, group, generator, smallest, rounding, default)


def check_bits(bits: int | Mapping[str, int], default: int = 8) -> None:
    """Raise ValueError unless all bits are 1 to 16, or 32."""
    for value in (default, *(bits.values() if isinstance(bits, Mapping) else (bits,))):
        if isinstance(value, bool) or not isinstance(value, int) or not (1 <= value <= 16 or value == FULL):
            raise ValueError(f"bits is {value!r}; a saved tensor has 1 to 16 bits, or 32 to stay as it is")


def _is_parameter(x: Tensor) -> bool:
    """A leaf with a gradient, or a view of one."""
    base = x if x._base is None else x._base
    return base.is_leaf and base.requires_grad
