"""Take every step back from the guess of the data to the noise of the start: the update rule of improved rectified flow training.

    x_s = (1 - s) data(x_t, t) + s z_1

Euler's method in t has noise(x_t, t) in the place of z_1.  On a straight path the two are one; on any other the noise that x_t seems to
come from drifts away from the noise that it did come from, and this rule holds on to the latter.

It is a rule for few steps.  It does not follow the flow as steps grow small: then x_t tends to where noise(x_t, t) = z_1, which for
Gaussian data runs off as 1 / t near the data.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from workbench.denoiser import combine, conversion
from workbench.schedules import Rectified
from workbench.solvers.base import Solver


class Row(NamedTuple):
    """One step from t to s, and whether the slope at its end is averaged in."""

    t: float
    s: float
    twice: bool


@dataclass(frozen=True)
class FixedNoise(Solver):
    """The update rule of ``lee2024rfpp`` for flows on ``Rectified()``, in its Euler form (one evaluation a step) or its Heun form.

    The Heun form averages the velocities at x_t and at the rule's own first guess of x_s, and takes the data that this average points
    to; its last step, to t = 0, is the Euler form, so N steps cost 2 N - 1 evaluations.  z_1 is the state at t = 1; from a later
    start it is the noise that the model sees there.

    Both equal ``Euler(variable="t")`` for one step from noise to data, and both are exact in one step on straight paths.  ``order`` is 0:
    on other paths the error does not vanish with the step.

    Args:
        heun: whether to average two slopes.
    """

    heun: bool = False
    order = 0
    paper = "lee2024rfpp"

    @property
    def evaluations_per_step(self) -> int:
        """One, or two."""
        return 1 + self.heun

    def regular_ends(self, schedule) -> bool:
        """Both ends of the straight lines are its own."""
        return isinstance(schedule, Rectified)

    def evaluations_on(self, schedule, grid) -> int:
        """One less in the Heun form where the grid ends at 0."""
        return self.evaluations(len(grid) - 1, to_zero=float(grid[-1]) == 0)

    def plan(self, schedule, grid) -> list[Row]:
        """The times of every step.

        Raises:
            ValueError: for another schedule, or a grid that goes from data to noise.
        """
        times = grid.tolist()
        if not isinstance(schedule, Rectified):
            raise ValueError(f"FixedNoise steps on the straight lines of Rectified(), got {schedule}; use wb.reflow.flow_of(model)")
        if times[0] < times[-1]:
            raise ValueError("FixedNoise goes from noise to data, and got a grid that increases; invert with Euler(variable='t')")
        return [Row(t, s, self.heun and s > 0) for t, s in pairwise(times)]

    def step(self, model, x: Tensor, row: Row, memory: Tensor | None, draw) -> tuple[Tensor, Tensor]:
        """One step; the memory is z_1."""
        t, s, schedule = row.t, row.s, model.schedule
        velocity = model.velocity(x, t)
        z = combine(conversion(schedule, "velocity", "noise", t), x, velocity) if memory is None else memory
        pair = conversion(schedule, "velocity", "data", t)
        after = combine(pair, x, velocity).mul_(1 - s).add_(z, alpha=s)
        if row.twice:
            mean = (velocity + model.velocity(after, s)).mul_(0.5)
            after = combine(pair, x, mean).mul_(1 - s).add_(z, alpha=s)
        return after, z
