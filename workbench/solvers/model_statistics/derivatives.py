"""Two derivatives of a denoiser: along its own flow, and along a random direction for the diagonal of its Jacobian.

"exact": forward-mode Jacobian-vector products.  Two layers of image networks need help with them on a CPU, given here for as long as a
derivative is taken: ``GroupNorm`` refuses pixels stored channels-last, and the fused attention has no forward derivative.

"differences": central differences, of error O(step^2) and rounding.  They need no derivative at all, so they serve models that have
none (quantized weights, foreign code), and for convolutional networks on a CPU they are the quicker.

Book: ``solvers/best_parameterization``.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from workbench.denoiser import Denoiser, per_sample

Derivatives = Literal["exact", "differences"]
STEP = 0.01  # of a central difference: in lambda, and in units of the noise
CALLS = 5  # evaluations a picture: one answer, and two for each derivative (a forward-mode product counts as two)


class Looked(NamedTuple):
    """What one visit of a batch at one noise level saw; tensors shaped as the batch."""

    v: Tensor  # x / alpha
    data: Tensor  # the answer
    moved: Tensor  # d data / d lambda along the flow
    turned: Tensor  # (d data / d v) z


@contextmanager
def forward_mode() -> Iterator[None]:
    """Layers of image networks that forward-mode differentiation would stumble over, in the form that it can take."""

    def packed(module: nn.Module, inputs: tuple) -> tuple | None:
        return (inputs[0].contiguous(), *inputs[1:]) if isinstance(module, nn.GroupNorm) else None

    handle = nn.modules.module.register_module_forward_pre_hook(packed)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        handle.remove()


def look(model: Denoiser, v: Tensor, lam: float, z: Tensor, how: Derivatives) -> Looked:
    """The data prediction at v = x / alpha, and its two derivatives; dv/dlambda = data - v along the flow."""
    schedule = model.schedule
    t = min(schedule.inverse_log_snr(lam), schedule.t_max)
    with torch.no_grad():
        data = model.data(schedule.alpha(t) * v, t)
        flow = data - v
        if how == "differences":
            size = STEP * math.exp(-lam)

            def at(where: Tensor, when: float) -> Tensor:
                t = min(schedule.inverse_log_snr(when), schedule.t_max)
                return model.data(schedule.alpha(t) * where, t)

            back = min(STEP, lam - schedule.log_snr(schedule.t_max))  # shorter where the schedule begins
            moved = (at(v + STEP * flow, lam + STEP) - at(v - back * flow, lam - back)) / (STEP + back)
            turned = (at(v + size * z, lam) - at(v - size * z, lam)) / (2 * size)
            return Looked(v, data, moved, turned)

        def along(where: Tensor, when: Tensor) -> Tensor:
            t = schedule.inverse_log_snr(when)
            return model.data(per_sample(schedule.alpha(t), where) * where, t)

        clock = torch.full((len(v),), lam, dtype=torch.float64, device=v.device)
        with forward_mode():
            moved = torch.func.jvp(along, (v, clock), (flow, torch.ones_like(clock)))[1]
            turned = torch.func.jvp(lambda where: model.data(schedule.alpha(t) * where, t), (v,), (z,))[1]
    return Looked(v, data, moved, turned)
