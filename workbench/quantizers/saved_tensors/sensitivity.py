"""How much the gradient suffers when one saved tensor is kept in few bits."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from workbench.quantizers.saved_tensors.memory import FULL, Memory, check_bits
from workbench.quantizers.saved_tensors.tensor_record import CODES, Saved


def sensitivities(
    memory: Memory, gradient: Callable[[], Float[Tensor, "n"]], low: int = 1, together: Callable[[Saved], str] | None = None
) -> dict[str, float]:
    """The squared error that each saved tensor brings into the gradient when it has one bit, by the rule of ``liu2022gact``.

    For each tensor, all others as they are, three gradients: g0 and g1 with this tensor in 1 bit, rounded twice, and g2 in 8 bits.

        c = 1/2 max(|g0 - g1|^2,  2 |g0 - g2|^2,  2 |g1 - g2|^2)

    With V the variance of the gradient and B^2 its squared bias at one bit, the terms have the means 2 V, 2 (V + B^2), 2 (V + B^2), so c is
    about V + B^2.  With b bits the variance is about c / (2^b - 1)^2, and the variances of different tensors add up.  The rule as
    published leaves out the factor 1/2, which changes no allocation.

    Args:
        memory: says which tensors there are.  Its bits are put back afterwards.
        gradient: opens ``memory``, goes forward and back, and returns the gradient of all parameters, flat.  It must give the same
            loss each time: the same batch, the same noise, the same dropout.
        low: the few bits.  The published rule takes 1.  Where one bit already destroys the gradient (norms, attention), c is no measure for
            more of them, and 3 or 4 predict better: c is the error with ``low`` bits times (2^low - 1)^2.
        together: gives a tensor the name of its group; the tensors of a group are rounded together, and c is the group's.  It saves passes.

    Returns:
        c by name, for each tensor or group that has codes.  It takes three passes for each, and one.

    Raises:
        ValueError: for ``low`` out of range.
        RuntimeError: where ``gradient`` did not open ``memory``.
    """
    bits, default = memory.bits, memory.default
    check_bits(low)
    if low >= 8:
        raise ValueError(f"low is {low}; the rule compares few bits with 8, so give 1 to 7")
    try:
        memory.bits, memory.saved = 8, []
        gradient()
        if not memory.saved:
            raise RuntimeError("no tensor was saved in this memory; gradient() must go forward inside  with memory:")
        found = {}
        memory.default = FULL
        groups: dict[str, list[str]] = {}
        for saved in memory.saved:
            if saved.stored_as == CODES:
                groups.setdefault(together(saved) if together else saved.name, []).append(saved.name)
        for group, names in groups.items():
            memory.bits = dict.fromkeys(names, low)
            g0, g1 = gradient(), gradient()
            memory.bits = dict.fromkeys(names, 8)
            g2 = gradient()
            apart = (g0 - g1).square().sum(), 2 * (g0 - g2).square().sum(), 2 * (g1 - g2).square().sum()
            found[group] = max(map(float, apart)) / 2 * (2**low - 1) ** 2
        return found
    finally:
        memory.bits, memory.default = bits, default
