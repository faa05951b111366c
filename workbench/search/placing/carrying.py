"""What becomes of an error made on the way: the flow that follows shrinks or stretches it."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.search.placing.teacher import Teacher

Carry = Any
"""None, "spread", or a law with a flow."""


def check_carry(carry: Carry) -> None:
    """Raise ValueError unless ``carry`` says how errors are carried to the end."""
    if carry not in (None, "spread") and not hasattr(carry, "flow"):
        raise ValueError(f'carry={carry!r}; it is None, "spread", or a Gaussian law, whose flow is exact')


def spreads(teacher: Teacher) -> Float[Tensor, "points"]:
    """The factor by which the flow from each candidate to the end multiplies distances between samples, as a root mean square.

    Exact where the flow multiplies all distances alike, as it does for an isotropic Gaussian.  One sample alone has no distances: then
    its own size is taken.
    """
    states = teacher.states.double().flatten(2)
    if states.shape[1] > 1:
        states = states - states.mean(1, keepdim=True)
    size = states.square().mean((1, 2)).sqrt()
    return size[-1] / size


def carried(errors: Float[Tensor, "count batch *shape"], teacher: Teacher, place: int, carry: Carry) -> Tensor:
    """Errors made at candidate number ``place``, at the end.

    None leaves them alone, "spread" multiplies them by :func:`spreads`, and a law carries each by its own exact flow, direction by
    direction (which is linear for a Gaussian).
    """
    if carry is None:
        return errors
    if isinstance(carry, str):
        return errors * float(spreads(teacher)[place])
    start, stop = teacher.times[place], teacher.times[-1]
    if start == stop:
        return errors
    flat = errors.flatten(0, 1)
    return (carry.flow(flat, start, stop) - carry.flow(torch.zeros_like(flat[:1]), start, stop)).view(errors.shape)
