"""How much the gradient suffers when one saved tensor is kept in few bits."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from workbench.quantizers.saved_tensors.memory import FULL, Memory
from workbench.quantizers.saved_tensors.tensor_record import CODES


def sensitivities(memory: Memory, gradient: Callable[[], Float[Tensor, "n"]]) -> dict[str, float]:
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

    Returns:
        c by name, for each tensor that has codes.  It takes three passes for each, and one.

    Raises:
        RuntimeError: where ``gradient`` did not open ``memory``.
    """
    bits, default = memory.bits, memory.default
    try:
        memory.bits, memory.saved = 8, []
        gradient()
        if not memory.saved:
            raise RuntimeError("no tensor was saved in this memory; gradient() must go forward inside  with memory:")
        found = {}
        memory.default = FULL
        for name in [saved.name for saved in memory.saved if saved.stored_as == CODES]:
            memory.bits = {name: 1}
            g0, g1 = gradient(), gradient()
            memory.bits = {name: 8}
            g2 = gradient()
            apart = (g0 - g1).square().sum(), 2 * (g0 - g2).square().sum(), 2 * (g1 - g2).square().sum()
            found[name] = max(map(float, apart)) / 2
        return found
    finally:
        memory.bits, memory.default = bits, default
