"""Codebooks: the values that four bits (or others) may stand for, as tuples in increasing order, the largest magnitude 1 or as the format says.

Dynamic exponents spread their levels over decades, for numbers of very different sizes; NF4 and E2M1 are for bell curves.
"""

import math


def dynamic(bits: int = 4, signed: bool = True) -> tuple[float, ...]:
    """Dynamic exponent: decade 10^-k holds 2^i (unsigned: 2^(i+1)) values in the middle of equal parts of [0.1, 1], then 0 and 1.

    The signed book has +1 and no -1: a block whose extreme is negative loses up to 11 percent of it.  ``li2023fourbit``.
    """
    exponents = bits - 1
    values = []
    for i in range(exponents):
        count = 2**i if signed else 2 ** (i + 1)
        middles = [0.1 + 0.9 * (k + 0.5) / count for k in range(count)]
        values += [middle * 10.0 ** (i - exponents + 1) for middle in middles]
    negative = [-value for value in values] if signed else []
    return tuple(sorted([*negative, 0.0, *values, 1.0]))


def dynamic_without_zero(bits: int = 4) -> tuple[float, ...]:
    """The unsigned dynamic exponent without its 0: one value less, and nothing that is divided by can become 0."""
    return dynamic(bits, signed=False)[1:]


def linear_without_zero(bits: int = 4, power: float = 1.0) -> tuple[float, ...]:
    """(k / 2^b)^power for k = 1 to 2^b."""
    return tuple((k / 2**bits) ** power for k in range(1, 2**bits + 1))


def normal_float() -> tuple[float, ...]:
    """NF4: quantiles of the normal law, eight on the positive side and seven on the negative, 0 and the ends -1 and 1 exact
    (``dettmers2023qlora``).

    The outermost quantile lies at the mean of 1 - 1/32 and 1 - 1/30, the middles of the outer cells of either side.
    """
    from scipy.special import ndtri

    outer = (1 - 1 / 32 + 1 - 1 / 30) / 2

    def side(count: int) -> list[float]:
        return [float(ndtri(outer + (0.5 - outer) * k / count)) for k in range(count)]

    largest = float(ndtri(outer))
    return tuple(value / largest for value in sorted([*[-v for v in side(7)], 0.0, *side(8)]))


def minifloat(exponent: int = 2, mantissa: int = 1) -> tuple[float, ...]:
    """All finite values of a small floating-point format with a sign, no infinity and no NaN, as integers of 2^(1 - bias - mantissa).

    E2M1, the default, is 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives (``rouhani2023mx``): 15 values, for 0 has two codes.
    """
    bias = 2 ** (exponent - 1) - 1
    values = {0.0}
    for e in range(2**exponent):
        for m in range(2**mantissa):
            fraction = m / 2**mantissa
            values.add(math.ldexp(fraction, 1 - bias) if e == 0 else math.ldexp(1 + fraction, e - bias))
    return tuple(sorted({*values, *(-value for value in values)}))
