"""Codes of 1 to 16 bits in bytes, without a wasted bit inside.

A code of b bits is cut into pieces of 8, 4, 2 and 1 bits (the binary digits of b: 4 is one piece, 3 is 2 + 1), and each piece is packed
by itself.  Pieces of w bits stand 8 / w to a byte, in *planar* order: with m = ceil(n w / 8) bytes, byte i holds the pieces i,
i + m, i + 2 m, ...; so packing reads long runs of memory and not every other entry.  For w = 4, byte_i = c_i | c_{i + m} << 4.
"""

import torch
from torch import Tensor


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
    pieces, flat = widths(bits), codes.reshape(-1)
    if flat.is_floating_point() or flat.dtype == torch.bool:
        raise TypeError(f"codes must be whole numbers, got {codes.dtype}")
    if len(flat) and (int(flat.max()) >= 2**bits or (flat.dtype != torch.uint8 and int(flat.min()) < 0)):
        raise ValueError(f"codes from {int(flat.min())} to {int(flat.max())} do not fit into {bits} bits: 0 to {2**bits - 1}")
    packed, above = [], bits
    for width in pieces:
        above -= width
        piece = flat if bits == width else (flat >> above) & (2**width - 1)
        packed.append(_planar(piece.to(torch.uint8), width))
    return packed[0] if len(packed) == 1 else torch.cat(packed)


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
    planes = 8 // width
    if planes == 1:
        return piece.clone()
    size, n = -(-len(piece) // planes), len(piece)
    if n < planes * size:
        piece = torch.nn.functional.pad(piece, (0, planes * size - n))
    parts = piece.view(planes, size)
    out = torch.add(parts[0], parts[1], alpha=1 << width)  # no two pieces share a bit, so adding is joining, and faster than shifts
    for plane in range(2, planes):
        out.add_(parts[plane], alpha=1 << width * plane)
    return out


def _linear(packed: Tensor, width: int, n: int) -> Tensor:
    """Bytes into codes of 1, 2, 4 or 8 bits."""
    if width == 8:
        return packed.clone()
    shifted = [packed >> width * plane if plane else packed for plane in range(8 // width)]
    return torch.cat(shifted).bitwise_and_(2**width - 1)[:n]
