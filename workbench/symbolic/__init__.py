"""Equations that chapters show and tests prove, one file for each topic.

``ALL`` holds every ``Statement``; ``statement(name)`` finds one. ``statement("tweedie").check()`` proves it.
"""

from workbench.symbolic import (
    adams,
    bits_and_steps,
    comparing,
    exponential,
    faces,
    far_field,
    flow,
    flow_training,
    gaussian,
    guidance,
    integer_flows,
    integers,
    matching,
    memory,
    multistep,
    numerics,
    one_step,
    order,
    outliers,
    pictures_flow,
    placing_steps,
    preconditioning,
    predictor_corrector,
    rectifying,
    rounding,
    schedules,
    sharing_bits,
    small_memories,
    small_optimizers,
    steps,
    stochastic,
    training,
)
from workbench.symbolic.statements import Statement

TOPICS = (
    faces,
    gaussian,
    comparing,
    schedules,
    flow,
    steps,
    order,
    exponential,
    multistep,
    adams,
    predictor_corrector,
    guidance,
    stochastic,
    placing_steps,
    far_field,
    memory,
    numerics,
    training,
    preconditioning,
    rectifying,
    one_step,
    matching,
    flow_training,
    pictures_flow,
    rounding,
    bits_and_steps,
    outliers,
    integers,
    sharing_bits,
    integer_flows,
    small_optimizers,
    small_memories,
)

ALL: tuple[Statement, ...] = tuple(item for topic in TOPICS for item in topic.STATEMENTS)
"""Every statement of the book."""


def statement(name: str) -> Statement:
    """The statement called `name`; ValueError lists the names when there is none."""
    for item in ALL:
        if item.name == name:
            return item
    raise ValueError(f"no statement {name!r}; there are {', '.join(item.name for item in ALL)}")


__all__ = [
    "ALL",
    "Statement",
    "adams",
    "bits_and_steps",
    "comparing",
    "exponential",
    "faces",
    "far_field",
    "flow",
    "flow_training",
    "gaussian",
    "guidance",
    "integer_flows",
    "integers",
    "matching",
    "memory",
    "multistep",
    "numerics",
    "one_step",
    "order",
    "outliers",
    "pictures_flow",
    "placing_steps",
    "preconditioning",
    "predictor_corrector",
    "rectifying",
    "rounding",
    "schedules",
    "sharing_bits",
    "small_memories",
    "small_optimizers",
    "statement",
    "steps",
    "stochastic",
    "training",
]
