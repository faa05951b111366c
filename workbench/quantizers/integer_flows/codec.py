"""Pictures to bytes and back, every bit of them: a flow, tables of its law in whole numbers, and an entropy coder."""

import hashlib
import math
import struct
import zlib
from collections.abc import Iterable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from workbench.quantizers.integer_flows import ans
from workbench.quantizers.integer_flows.flow import AT_ONCE, IntegerFlow
from workbench.quantizers.integer_flows.frequencies import RAW, Tables, tables

MAGIC, VERSION = b"FSFB", 1
HEADER = struct.Struct("<4sBB8sI3HII")  # magic, version, dtype, model, samples, shape, bytes that follow, checksum of the samples
STORED = 128  # added to the dtype where samples are stored as they are
DTYPES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Codec:
    """Lossless compression by an integer flow.

        codec = Codec(flow)
        assert torch.equal(codec.decode(codec.encode(x)), x)

    Every whole number can be written, likely or not.  What comes out is at most ``most_bytes(x)`` long: the code length of the model, the
    header and a few bytes; samples that would grow are stored as they are.  With a flow of whole numbers (:func:`whole`) the bytes can be read on any machine; a flow of floats must
    compute the very same floats when it reads, which nothing guarantees.

    Args:
        flow: what maps samples to numbers that are cheap to write.
        laws: tables for its parts; None makes them from the flow's laws.  They come from floats, so keep them with the model.
    """

    paper = ("hoogeboom2019idf", "wang2022iodf", "duda2013ans")

    def __init__(self, flow: IntegerFlow, laws: Iterable[Tables] | None = None) -> None:
        self.flow = flow
        self.laws = tuple(tables(prior) for prior in flow.priors) if laws is None else tuple(laws)
        if len(self.laws) != len(flow.priors):
            raise ValueError(f"got {len(self.laws)} tables for a flow of {len(flow.priors)} parts; give one for each")
        self._starts = [[[0, *row] for row in law.frequencies.cumsum(1).tolist()] for law in self.laws]
        self.model = self._fingerprint()

    @property
    def portable(self) -> bool:
        """Whether the couplings compute in whole numbers only."""
        return all(getattr(coupling.translator, "whole", False) for coupling in self.flow.couplings)

    @torch.no_grad()
    def bits(self, x: Shaped[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The code length of each sample by the tables, in bits."""
        found = [self._bits(self.flow(part)) for part in _whole(self.flow.check(x)).split(AT_ONCE)]
        return torch.cat(found) if len(x) else torch.zeros(0, dtype=torch.float64)

    def _bits(self, parts: list[Tensor]) -> Tensor:
        return sum(law.bits(z).flatten(1).sum(1) for law, z in zip(self.laws, parts, strict=True))

    def bits_per_dimension(self, x: Shaped[Tensor, "n c h w"]) -> float:
        """The mean code length, divided by the numbers in a sample."""
        return float(self.bits(x).mean() / math.prod(self.flow.shape))

    @torch.no_grad()
    def most_bytes(self, x: Shaped[Tensor, "n c h w"]) -> float:
        """A bound of ``len(encode(x))``: 32 bytes of header, and the less of the samples as they are and their code.

        The code takes its length by the tables, 6 bytes of state, and 0.00003 bits for each number.
        """
        parts = self.flow(_whole(self.flow.check(x)))
        written = sum(
            z.numel() + 4 * int((law.symbols(z) == law.frequencies.shape[1] - 1).sum())
            for law, z in zip(self.laws, parts, strict=True)
        )
        return HEADER.size + min(ans.most_bytes(float(self._bits(parts).sum()), written), x.numel() * x.element_size())

    @torch.no_grad()
    def encode(self, x: Shaped[Tensor, "n c h w"], stored: bool = True) -> bytes:
        """Return ``x`` as bytes.

        Args:
            x: whole numbers.
            stored: whether samples are stored as they are where their code would be longer.

        Raises:
            TypeError: for numbers that are not whole.
            ValueError: for samples of another shape, or more than 2^32 - 1 of them.
        """
        parts = self.flow(_whole(self.flow.check(x)))
        writer = ans.Writer()
        for law, starts, z in zip(reversed(self.laws), reversed(self._starts), reversed(parts), strict=True):
            symbols, raw = law.symbols(z).flatten(2).tolist(), z.flatten(2).tolist()
            escape = law.frequencies.shape[1] - 1
            for sample, numbers in zip(reversed(symbols), reversed(raw), strict=True):
                for start, row, values in zip(reversed(starts), reversed(sample), reversed(numbers), strict=True):
                    for symbol, value in zip(reversed(row), reversed(values), strict=True):
                        if symbol == escape:
                            for place in range(0, RAW, 16):
                                writer.push(value >> place & 0xFFFF, 1)
                        writer.push(start[symbol], start[symbol + 1] - start[symbol])
        body, kind = writer.done(), DTYPES.index(x.dtype)
        if stored and len(plain := _bytes(x)) < len(body):
            body, kind = plain, kind | STORED
        return HEADER.pack(MAGIC, VERSION, kind, self.model, len(x), *self.flow.shape, len(body), _checksum(x)) + body

    @torch.no_grad()
    def decode(self, content: bytes, check: bool = True) -> Shaped[Tensor, "n c h w"]:
        """Return what ``encode`` was given.

        Args:
            content: the bytes.
            check: whether to compare with the checksum of the original samples.

        Raises:
            TypeError: for something else than bytes.
            ValueError: for bytes that were cut, changed, or written by another model, and with ``check`` for samples that come out wrong.
        """
        kind, n, checksum = self._opened(content)
        if kind & STORED:
            return self._taken(content[HEADER.size :], DTYPES[kind & ~STORED], n, checksum, check)
        reader, parts = ans.Reader(content[HEADER.size :]), []
        for law, starts, shape in zip(self.laws, self._starts, self.flow.part_shapes(n), strict=True):
            escape, lows, pixels = law.frequencies.shape[1] - 1, law.low.tolist(), shape[2] * shape[3]
            numbers = []
            for _ in range(n):
                for start, low in zip(starts, lows, strict=True):
                    for _ in range(pixels):
                        symbol = reader.pop(start)
                        numbers.append(symbol + low if symbol < escape else _raw(reader))
            parts.append(torch.tensor(numbers, dtype=torch.int64).view(shape))
        if check and not reader.finished:
            raise ValueError("something is left over when all numbers are read: these bytes were changed")
        x = self.flow.inverse(parts)
        found = x.to(DTYPES[kind])
        if check and (_checksum(found) != checksum or not torch.equal(found.long(), x)):
            cause = (
                "these bytes were changed"
                if self.portable
                else "these bytes were changed, or the floats of this model came out otherwise"
            )
            raise ValueError(f"the samples differ from those that were written: {cause}")
        return found

    def _taken(self, plain: bytes, dtype: torch.dtype, n: int, checksum: int, check: bool) -> Tensor:
        """Samples that were stored as they are."""
        if len(plain) != n * math.prod(self.flow.shape) * dtype.itemsize or (check and zlib.crc32(plain) != checksum):
            raise ValueError("the samples differ from those that were written: these bytes were changed")
        return (
            torch.frombuffer(bytearray(plain), dtype=dtype).view(n, *self.flow.shape)
            if n
            else torch.zeros(0, *self.flow.shape, dtype=dtype)
        )

    def _opened(self, content: bytes) -> tuple[int, int, int]:
        """The kind, number and checksum of the samples."""
        if not isinstance(content, bytes | bytearray | memoryview):
            raise TypeError(f"got {type(content).__name__}; decode takes the bytes that encode returned")
        if bytes(content[:4]) != MAGIC[: len(content)]:
            raise ValueError(
                f"these bytes begin with {bytes(content[:4])!r} and not with {MAGIC!r}: they were not written by a Codec"
            )
        if len(content) < HEADER.size:
            raise ValueError(f"got {len(content)} bytes; the header alone has {HEADER.size}: they were cut short")
        _, version, kind, model, n, c, h, w, length, checksum = HEADER.unpack_from(content)
        if version != VERSION or (kind & ~STORED) >= len(DTYPES):
            raise ValueError(
                f"version {version}, dtype {kind}: this package reads version {VERSION} and dtypes below {len(DTYPES)}"
            )
        if model != self.model or (c, h, w) != self.flow.shape:
            raise ValueError(
                f"written by model {model.hex()}, and this one is {self.model.hex()}: decode with the model that encoded"
            )
        if len(content) != HEADER.size + length:
            raise ValueError(
                f"{length} bytes should follow the header, and {len(content) - HEADER.size} do: cut short, or added to"
            )
        return kind, n, checksum

    def _fingerprint(self) -> bytes:
        """Eight bytes that tell models apart: a hash of couplings and tables."""
        state = hashlib.sha256(repr((self.flow.shape, self.flow.levels, self.flow.center)).encode())
        pieces = [*self.flow.couplings.state_dict().values(), *(part for law in self.laws for part in (law.low, law.frequencies))]
        for part in pieces:
            state.update(f"{tuple(part.shape)}{part.dtype}".encode())
            state.update(part.detach().contiguous().cpu().numpy().tobytes())
        return state.digest()[:8]


def _raw(reader: ans.Reader) -> int:
    """A number that no table has, from four pieces of 16 bits, the lowest written first and so read last."""
    value = 0
    for _ in range(RAW // 16):
        value = value << 16 | reader.pop_word()
    return value - (1 << 64) if value >> 63 else value


def _whole(x: Tensor) -> Tensor:
    if x.is_floating_point():
        raise TypeError(f"got {x.dtype}; a codec writes whole numbers, such as uint8 pictures")
    return x.long()


def _checksum(x: Tensor) -> int:
    return zlib.crc32(_bytes(x))


def _bytes(x: Tensor) -> bytes:
    return x.detach().contiguous().cpu().numpy().tobytes()
