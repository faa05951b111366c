"""Equations that chapters show and tests prove, one file for each topic.

``ALL`` holds every ``Statement``; ``statement(name)`` finds one. ``statement("tweedie").check()`` proves it.
"""

from workbench.symbolic import faces, flow, gaussian, multistep, numerics, schedules, steps
from workbench.symbolic.statements import Statement

ALL: tuple[Statement, ...] = tuple(
    item for topic in (faces, gaussian, schedules, flow, steps, multistep, numerics) for item in topic.STATEMENTS
)
"""Every statement of the book."""


def statement(name: str) -> Statement:
    """The statement called `name`; ValueError lists the names when there is none."""
    for item in ALL:
        if item.name == name:
            return item
    raise ValueError(f"no statement {name!r}; there are {', '.join(item.name for item in ALL)}")


__all__ = ["ALL", "Statement", "faces", "flow", "gaussian", "multistep", "numerics", "schedules", "statement", "steps"]
