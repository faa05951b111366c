"""From sensitivities to bits for each tensor."""

from collections.abc import Mapping, Sequence

from workbench.quantizers import allocation
from workbench.quantizers.saved_tensors.memory import FULL, check_bits

WAYS = {"exact": allocation.exact, "greedy": allocation.greedy}


def allocate(
    sensitivities: Mapping[str, float],
    sizes: Mapping[str, int],
    bits: float,
    ladder: Sequence[int] = (1, 2, 4, 8),
    how: str = "exact",
) -> dict[str, int]:
    """Bits by name that make :func:`predicted_variance` small, with ``bits`` for each number on average.

    Args:
        sensitivities: of each tensor, as :func:`~workbench.quantizers.saved_tensors.sensitivities` gives them.
        sizes: numbers of each tensor.
        bits: average over all numbers, without the smallest and largest number of the groups.
        ladder: which bits a tensor may have; 32 keeps it as it is.
        how: "exact", or "greedy", as ``liu2022gact`` do it; see :mod:`workbench.quantizers.allocation`.

    Raises:
        ValueError: for names that differ, an average below the lowest rung, bits out of range, or another ``how``.
    """
    if how not in WAYS:
        raise ValueError(f"how is {how!r}; choose one of {', '.join(map(repr, WAYS))}")
    if set(sizes) != set(sensitivities):
        raise ValueError(f"sensitivities and sizes name different tensors: {', '.join(sorted(set(sizes) ^ set(sensitivities)))}")
    for rung in ladder:
        check_bits(rung)
    names = list(sensitivities)
    errors = [{rung: sensitivities[name] * variance_factor(rung) for rung in ladder} for name in names]
    numbers = [sizes[name] for name in names]
    return dict(zip(names, WAYS[how](errors, numbers, bits * sum(numbers)), strict=True))


def predicted_variance(sensitivities: Mapping[str, float], bits: int | Mapping[str, int]) -> float:
    """sum_l c_l / (2^b_l - 1)^2: the expected squared length of the error of the gradient."""
    each = dict.fromkeys(sensitivities, bits) if isinstance(bits, int) else bits
    return sum(c * variance_factor(each[name]) for name, c in sensitivities.items())


def variance_factor(bits: int) -> float:
    """1 / (2^b - 1)^2, the variance with b bits over that with one; 0 for a tensor that is kept as it is."""
    return 0.0 if bits == FULL else (2**bits - 1) ** -2.0
