"""From a trained flow to one of whole numbers, step by step: gates, fewer filters, rounded activations, rounded weights.

Each function returns a new flow.  Between them one trains on, a little, with :func:`fit`:

    flow = gated(flow);                 fit(flow, x, price=0.1, ...)
    flow = without_closed(flow);        # the same function
    flow = rounded_activations(flow, x[:256]);  fit(flow, x, ...)
    flow = rounded_weights(flow);       fit(flow, x, ...)
    flow = whole(flow)                  # integers only, no longer trainable

Paper: ``wang2022iodf``.
"""

import copy

import torch
from jaxtyping import Shaped
from torch import Tensor

from workbench.quantizers.integer_flows.flow import IntegerFlow
from workbench.quantizers.integer_flows.translator import Translator
from workbench.quantizers.integer_flows.whole import WholeTranslator
from workbench.quantizers.watching import watching


def gated(flow: IntegerFlow) -> IntegerFlow:
    """The flow with a gate on every hidden channel, all open."""
    out = copy.deepcopy(flow)
    for translator in translators(out):
        translator.add_gates()
    return out


def without_closed(flow: IntegerFlow) -> IntegerFlow:
    """The flow without the filters whose gates are closed, and without gates: the same map with less work."""
    out = copy.deepcopy(flow)
    for translator in translators(out):
        translator.remove_filters()
    return out


@torch.no_grad()
def rounded_activations(flow: IntegerFlow, x: Shaped[Tensor, "n c h w"], bits: int = 8) -> IntegerFlow:
    """The flow with hidden activations in ``bits`` bits, whose steps start from what ``x`` makes them.

    Raises:
        ValueError: for no samples.
    """
    if not len(x):
        raise ValueError("got no samples; activations are needed to choose their steps")
    out, seen = copy.deepcopy(flow), {}
    with watching({t: lambda t, args: seen.__setitem__(t, args[0]) for t in translators(out)}):
        out(x.float())
    for translator in translators(out):
        translator.add_activation_steps(seen[translator], bits)
    return out


def rounded_weights(flow: IntegerFlow, bits: int = 8) -> IntegerFlow:
    """The flow with weights in ``bits`` bits, a step for each output."""
    out = copy.deepcopy(flow)
    for translator in translators(out):
        translator.add_weight_steps(bits)
    return out


def whole(flow: IntegerFlow) -> IntegerFlow:
    """The flow whose couplings compute in whole numbers only.

    Raises:
        ValueError: where activations or weights have no steps yet.
    """
    out = copy.deepcopy(flow).requires_grad_(False)
    for coupling in out.couplings:
        coupling.translator = WholeTranslator.of(coupling.translator)
    return out


def translators(flow: IntegerFlow) -> list[Translator]:
    """The networks of the couplings.

    Raises:
        TypeError: where one is no :class:`Translator`, e.g. in whole numbers already.
    """
    found = [coupling.translator for coupling in flow.couplings]
    for translator in found:
        if not isinstance(translator, Translator):
            raise TypeError(f"a coupling has a {type(translator).__name__}; this step of the pipeline needs a Translator")
    return found


def filters(flow: IntegerFlow) -> int:
    """Hidden channels that are open, in all couplings."""
    return sum(translator.filters for translator in translators(flow))
