"""A moment of one parameter as it is kept between two steps."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.quantizers.description import describe, from_description
from workbench.quantizers.optimizers.formats import Format, flat
from workbench.quantizers.quantizer import Quantized


@dataclass(frozen=True, eq=False)
class Packed:
    """A moment in few bits.

    It is no tensor on purpose: what loads an optimizer's state casts every floating tensor and every code to the type of
    the parameter, and codes that were cast are lost.

    Attributes:
        kept: what is stored.
        shape: of the parameter.
    """

    kept: Quantized
    shape: torch.Size

    @classmethod
    def of(cls, x: Tensor, form: Any, generator: torch.Generator | None = None) -> "Packed":
        """Store ``x`` in ``form``."""
        return cls(form.quantize(x.reshape(-1) if flat(form) else x, generator), x.shape)

    def dequantize(self) -> Tensor:
        """The moment that is stood for, (\\*shape)."""
        return self.kept.dequantize().view(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all that is stored."""
        return self.kept.nbytes

    def to(self, device: torch.device) -> "Packed":
        """The same on another device; types stay as they are."""
        old = self.kept
        parts = {name: part.to(device, copy=True) for name, part in old.parts.items()}
        return Packed(Quantized(old.quantizer, old.shape, old.dtype, parts), self.shape)

    def as_dict(self) -> dict[str, Any]:
        """Plain data and tensors, which ``torch.load(..., weights_only=True)`` reads back."""
        return {"format": describe(self.kept.quantizer), "dtype": str(self.kept.dtype), "parts": dict(self.kept.parts)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any], like: Tensor) -> "Packed":
        """What :meth:`as_dict` gave, for the parameter ``like``.

        Raises:
            ValueError: for parts of other names, shapes or types than such a moment has; above all codes that were cast on
            the way.
        """
        form = from_description(stored["format"])
        blank = cls.of(
            torch.zeros(like.shape, dtype=getattr(torch, stored["dtype"].removeprefix("torch."))), form, torch.Generator()
        )
        wanted, found = (
            {name: (tuple(p.shape), p.dtype) for name, p in parts.items()} for parts in (blank.kept.parts, stored["parts"])
        )
        if wanted != found:
            raise ValueError(
                f"a moment of a parameter {tuple(like.shape)} in {type(form).__name__} is stored as {wanted}, got {found}; load the "
                "state as it was saved, without a cast, into the network it belongs to"
            )
        old = blank.kept
        return cls(Quantized(form, old.shape, old.dtype, dict(stored["parts"])), like.shape).to(like.device)


def keep(x: Tensor, form: Format, smallest: int, generator: torch.Generator | None) -> Tensor | Packed:
    """``x`` in ``form`` where it has at least ``smallest`` entries, else as it is."""
    return x if form is None or x.numel() < smallest else Packed.of(x, form, generator)


def restored(kept: Tensor | Packed) -> Tensor:
    """The numbers, to be worked on in place."""
    return kept.dequantize() if isinstance(kept, Packed) else kept
