"""Dynamic programming on the errors of single steps."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.search.placing.carrying import Carry, carried, check_carry
from workbench.search.placing.cheapest_path import cheapest_path
from workbench.search.placing.teacher import Teacher

METRICS = ("l2", "l1", "deviation")


@dataclass(frozen=True)
class DynamicProgramming:
    """The grid of least total error, if errors of single steps could be added (GITS).

    ``costs[i, j]`` is the error of one DDIM step from candidate i straight to candidate j, taken from the teacher's state with the
    teacher's answer: no further evaluation is needed.  :func:`cheapest_path` does the rest.  The published method is
    ``DynamicProgramming(metric="deviation", gamma=1.15, carry=None)``, in x / alpha, where every path begins in noise and is nearly
    straight; here that is the space of all three metrics when nothing is carried.  Carried to the end, errors mean the same in every space.

    Args:
        metric: "l2" or "l1", the mean over samples of the norm of the error, for each entry; or "deviation", how much further the step
            ends from the chord of the whole path than the teacher does, without sign.
        gamma: see :func:`cheapest_path`.
        carry: None counts an error as it is made; "spread" or a Gaussian law counts what is left of it at the end of the path.

    Raises:
        ValueError: for another metric or carry, gamma not above 0, or a deviation that is to be carried.
    """

    metric: str = "l2"
    gamma: float = 1.0
    carry: Carry = "spread"
    paper: ClassVar[str] = "chen2024gits"
    name: ClassVar[str] = "dynamic programming"

    def __post_init__(self) -> None:
        if self.metric not in METRICS or not self.gamma > 0:
            raise ValueError(f"metric={self.metric!r} is one of {', '.join(METRICS)}, and gamma={self.gamma} positive")
        check_carry(self.carry)
        if self.metric == "deviation" and self.carry is not None:
            raise ValueError("a deviation from the chord has no direction, so nothing can carry it; use carry=None")

    def costs(self, teacher: Teacher, schedule: Schedule) -> Float[Tensor, "points points"]:
        """The matrix of the errors of single steps; zero on and below the diagonal."""
        points = len(teacher.times)
        out = torch.zeros(points, points, dtype=torch.float64)
        for j in range(1, points):
            errors = _one_step(teacher, schedule, j)
            if self.metric == "deviation":
                out[:j, j] = _deviations(errors, teacher, schedule, j)
                continue
            if self.carry is None:
                errors = errors / schedule.alpha(teacher.times[j])
            flat = carried(errors, teacher, j, self.carry).double().flatten(2)
            sizes = flat.abs().mean(2) if self.metric == "l1" else flat.square().mean(2).sqrt()
            out[:j, j] = sizes.mean(1)
        return out

    def place(self, teacher: Teacher, schedule: Schedule, n: int, order: float) -> list[float]:
        """The times of the best path."""
        return [teacher.times[k] for k in cheapest_path(self.costs(teacher, schedule), n, self.gamma)]


def _one_step(teacher: Teacher, schedule: Schedule, j: int) -> Tensor:
    """(j, batch, \\*shape): DDIM from each earlier candidate to number j, minus the teacher's state there."""
    before = teacher.times[:j]
    alpha, sigma = (torch.tensor([f(t) for t in before], dtype=torch.float64) for f in (schedule.alpha, schedule.sigma))
    there = teacher.times[j]
    shrink = schedule.sigma(there) / sigma
    weight = schedule.alpha(there) - alpha * shrink
    wide = [1] * (teacher.states.ndim - 1)
    shrink, weight = (part.to(teacher.states).view(-1, *wide) for part in (shrink, weight))
    return shrink * teacher.states[:j] + weight * teacher.answers[:j] - teacher.states[j]


def _deviations(errors: Tensor, teacher: Teacher, schedule: Schedule, j: int) -> Tensor:
    """How much further from the chord, in x / alpha: the mean of the absolute differences, for each start."""
    first = next(k for k, t in enumerate(teacher.times) if schedule.alpha(t) > 0)
    begin, end, here = (
        (teacher.states[k] / schedule.alpha(teacher.times[k])).double().flatten(1) for k in (first, len(teacher.times) - 1, j)
    )
    along = torch.nn.functional.normalize(end - begin, dim=1)

    def far(points: Tensor) -> Tensor:
        away = points - begin
        return (away - (away * along).sum(-1, keepdim=True) * along).square().mean(-1).sqrt()

    student = here + (errors / schedule.alpha(teacher.times[j])).double().flatten(2)
    return (far(student) - far(here)).abs().mean(1)
