"""An entropy coder in sixty lines: range asymmetric numeral systems (``duda2013ans``), in whole numbers only.

A message is one large whole number x.  Writing a symbol with frequency f out of 2^16, whose range starts at c, turns it into

    x' = floor(x / f) 2^16 + c + (x mod f),

which is larger by a factor of about 2^16 / f: that is -log2 p bits.  Reading turns it back: the last 16 bits of x' say which range it is
in.  The last symbol written is the first one read, a stack.  To keep x small, its low 16 bits are moved out whenever it would pass 2^48,
and back in when it falls below 2^32.
"""

from bisect import bisect_right
from collections.abc import Sequence

PRECISION = 16
LOWEST = 1 << 32  # between two symbols  2^32 <= x < 2^48
STATE = 6  # bytes of x at the end


class Writer:
    """Takes symbols in the reverse of the order in which they will be read."""

    def __init__(self) -> None:
        self.x, self.words = LOWEST, []

    def push(self, start: int, frequency: int) -> None:
        """Write the symbol that owns  start <= slot < start + frequency  of the 2^16 slots."""
        if self.x >= frequency << 32:
            self.words.append(self.x & 0xFFFF)
            self.x >>= 16
        whole, rest = divmod(self.x, frequency)
        self.x = (whole << PRECISION) + start + rest

    def done(self) -> bytes:
        """The message: x in 6 bytes, and the words that were moved out, last first."""
        return self.x.to_bytes(STATE, "little") + b"".join(word.to_bytes(2, "little") for word in reversed(self.words))


class Reader:
    """Gives symbols back, the last one written first.

    Raises:
        ValueError: for fewer bytes than a state has, or an odd number.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) < STATE or len(content) % 2:
            raise ValueError(f"got {len(content)} bytes; a message has {STATE} or more, an even number: it was cut short")
        self.x, self.content, self.place = int.from_bytes(content[:STATE], "little"), content, STATE

    def pop(self, starts: Sequence[int]) -> int:
        """The next symbol; ``starts`` are where the ranges of all symbols begin, and 2^16 at the end.

        Raises:
            ValueError: where the message has ended.
        """
        symbol = bisect_right(starts, self.x & 0xFFFF) - 1
        self._take(starts[symbol], starts[symbol + 1] - starts[symbol])
        return symbol

    def pop_word(self) -> int:
        """The next 16 bits, written with frequency 1."""
        word = self.x & 0xFFFF
        self._take(word, 1)
        return word

    def _take(self, start: int, frequency: int) -> None:
        self.x = frequency * (self.x >> PRECISION) + (self.x & 0xFFFF) - start
        if self.x < LOWEST:
            if self.place == len(self.content):
                raise ValueError("the message ends before all numbers were read: it was cut short or changed")
            self.x = (self.x << 16) | int.from_bytes(self.content[self.place : self.place + 2], "little")
            self.place += 2

    @property
    def finished(self) -> bool:
        """Whether all that was written has been read: the state is the first one again, and no word is left."""
        return self.x == LOWEST and self.place == len(self.content)


def most_bytes(bits: float, symbols: int) -> float:
    """The most bytes that ``symbols`` take whose -log2 p add up to ``bits``: (bits + symbols 2^-16 log2 e) / 8 + 6.

    One symbol multiplies x by at most 2^16 / f (1 + 2^-16), because x >= 2^16 f before it; moving words out never adds to x.
    """
    return (bits + symbols * 1.4427 / 2**PRECISION) / 8 + STATE
