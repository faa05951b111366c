"""How the two moments are stored: the formats of the papers, by name.

``AdamW(parameters)`` takes 4 bits, the default; ``AdamW(parameters, **formats.eight_bit())`` takes 8;
``second=formats.Factored()`` keeps the second moment as means of rows and columns; ``first=None, second=None`` keeps both
in 32 bits, and makes the steps of ``torch.optim.AdamW``.
"""

from collections.abc import Sequence
from typing import Any

from workbench.quantizers.codebook import Codebook
from workbench.quantizers.factored import Factored
from workbench.quantizers.number_formats import dynamic, linear_without_zero
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.rank_one import RankOne

Format = Quantizer | Factored | None

# Of the mean of gradients: signed dynamic exponent, 0 among its levels, in blocks of 128 (li2023fourbit).
FIRST = Codebook(values=dynamic(), block=(128,))
# Of the mean of their squares: evenly spaced levels without 0 under rank-one normalization (li2023fourbit).
SECOND = RankOne(values=linear_without_zero())


def eight_bit(block: int = 256) -> dict[str, Codebook]:
    """Settings for dynamic exponents of 8 bits in blocks (``dettmers2022eightbit``, who take blocks of 2048)."""
    return {name: Codebook(values=dynamic(8, signed), block=(block,)) for name, signed in (("first", True), ("second", False))}


def flat(form: Any) -> bool:
    """Whether blocks are counted along the flattened tensor: those with one side, (n,).

    Moments have no inputs and outputs that would differ, and the last axis of a convolution may have three entries.
    """
    return isinstance(form, Quantizer) and form.block is not None and len(form.block) == 1


def nbytes(form: Format, shape: Sequence[int], smallest: int = 4096) -> int:
    """Bytes of one moment of a parameter of ``shape`` in float32 or smaller."""
    count = 1
    for n in shape:
        count *= n
    if form is None or count < smallest:
        return 4 * count
    return form.nbytes((count,) if flat(form) else tuple(shape))
