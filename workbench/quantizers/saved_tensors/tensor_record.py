"""One line of the account: a tensor that backward wanted kept, and what became of it."""

from dataclasses import dataclass

import torch

CODES, MASK, AGAIN, PARAMETER = "codes", "mask", "again", "parameter"


@dataclass(frozen=True)
class Saved:
    """A saved tensor.

    Attributes:
        name: the module that saved it and a count within it, such as "hidden.0:1"; the same in every pass of the same network.
        made_by: the operation it is the result of, "" for data.
        shape, dtype: as autograd saved it.
        numbers: how many different numbers it has: fewer than its entries if an axis only repeats.
        stored_as: "codes", "mask" (1 bit), or why it is kept as it was: "parameter", "not floating", "no gradient", "few numbers",
            "full precision", "not finite"; "again" for numbers that are stored already.
        bits: of a code; 0 where there are no codes.
        before, after: bytes.  "again" and "parameter" cost nothing either way.
    """

    name: str
    made_by: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    numbers: int
    stored_as: str
    bits: int
    before: int
    after: int
