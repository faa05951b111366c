"""Codes of 1 to 16 bits in bytes, without a wasted bit inside.

A code of b bits is cut into pieces of 8, 4, 2 and 1 bits (the binary digits of b: 4 is one piece, 3 is 2 + 1), and each piece is packed
by itself.  Pieces of w bits stand 8 / w to a byte, in *planar* order: with m = ceil(n w / 8) bytes, byte i holds the pieces i,
i + m, i + 2 m, ...; so packing reads long runs of memory and not every other entry.  For w = 4, byte_i = c_i | c_{i + m} << 4.

No two pieces of a byte share a bit, so they can be joined by one multiply-add, and nothing is carried from one byte into the next: four
bytes are handled as one int32, for which processors have a multiplication of many at once and for bytes they have none.
"""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(typed=True)
def widths(bits: int) -> tuple[int, ...]:
    """The pieces of a code of ``bits`` bits, the lowest one last: 6 is (4, 2), 16 is (8, 8).

    Raises:
        ValueError: for a number of bits that is not 1 to 16.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 16:
        raise ValueError(f"bits is {bits!r}; a code has 1 to 16 bits")
    return (8,) * (bits // 8) + tuple(w for w in (4, 2, 1) if bits % 8 & w)


def nbytes(n: int, bits: int) -> int:
    """How many bytes :func:`pack` makes of ``n`` codes: the sum of ceil(n w / 8) over the pieces."""
    return sum(-(-n * width // 8) for width in widths(bits))


def pack(codes: Tensor, bits: int) -> Tensor:
    """Return whole numbers from 0 to 2^bits - 1, of any shape and read in order, as uint8 of :func:`nbytes` entries.

    Bits that belong to no code are 0.

    Raises:
        TypeError: for codes that are not whole numbers.
        ValueError: for codes that do not fit.
    """
    pieces, flat = widths(bits), codes.contiguous() if codes.ndim == 1 else codes.reshape(-1)
    kind = flat.dtype
    if kind.is_floating_point or kind == torch.bool:
        raise TypeError(f"codes must be whole numbers, got {kind}")
    if flat.numel() and (int(flat.amax()) >= 2**bits or (kind != torch.uint8 and int(flat.amin()) < 0)):
        raise ValueError(f"codes from {int(flat.min())} to {int(flat.max())} do not fit into {bits} bits: 0 to {2**bits - 1}")
    if pieces == (bits,):
        return _planar(flat if kind == torch.uint8 else flat.to(torch.uint8), bits)
    packed, above = [], bits
    for width in pieces:
        above -= width
        packed.append(_planar(((flat >> above) & (2**width - 1)).to(torch.uint8), width))
    return torch.cat(packed)


def unpack(packed: Tensor, bits: int, n: int) -> Tensor:
    """The ``n`` codes that :func:`pack` was given, flat: uint8, or int32 for more than 8 bits.

    Raises:
        ValueError: for another number of bytes than ``n`` codes need, or another dtype.
    """
    if packed.dtype != torch.uint8 or packed.ndim != 1 or len(packed) != nbytes(n, bits):
        raise ValueError(
            f"{n} codes of {bits} bits need ({nbytes(n, bits)},) uint8, got {tuple(packed.shape)} {packed.dtype}; "
            "were the bytes cast or cut when they were loaded?"
        )
    codes, start = None, 0
    for width in widths(bits):
        stop = start + -(-n * width // 8)
        piece = _linear(packed[start:stop], width, n)
        piece = piece if bits <= 8 else piece.to(torch.int32)
        codes, start = piece if codes is None else codes << width | piece, stop
    return codes


def _planar(piece: Tensor, width: int) -> Tensor:
    """Codes of 1, 2, 4 or 8 bits into bytes."""
    planes, n = 8 // width, piece.numel()
    if planes == 1:
        return piece.clone()
    size = -(-n // planes)
    if n < planes * size:
        piece = torch.nn.functional.pad(piece, (0, planes * size - n))
    lanes = _lanes(piece, size)
    words, run = piece.view(lanes), size // lanes.itemsize
    out = torch.add(words[:run], words[run : 2 * run], alpha=1 << width)
    for plane in range(2, planes):
        out.add_(words[plane * run : (plane + 1) * run], alpha=1 << width * plane)
    return out.view(torch.uint8)


def _linear(packed: Tensor, width: int, n: int) -> Tensor:
    """Bytes into codes of 1, 2, 4 or 8 bits."""
    if width == 8:
        return packed.clone()
    lanes = _lanes(packed, len(packed))
    mask = (2**width - 1) * (1 if lanes == torch.uint8 else 0x01010101)
    codes = torch.empty(8 // width, len(packed), dtype=torch.uint8, device=packed.device)
    words = packed.view(lanes)
    for plane, out in enumerate(codes.view(lanes).unbind()):  # a negative word shifts in ones from above, which the mask takes away
        torch.bitwise_right_shift(words, width * plane, out=out)
        out.bitwise_and_(mask)
    return codes.view(-1)[:n]


def _lanes(bytes_: Tensor, size: int) -> torch.dtype:
    """int32, where runs of ``size`` bytes from here can be read as such."""
    whole = size > 0 and size % 4 == 0 and bytes_.storage_offset() % 4 == 0 and bytes_.is_contiguous()
    return torch.int32 if whole else torch.uint8
