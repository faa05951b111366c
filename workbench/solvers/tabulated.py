"""A linear multistep method as the table of its numbers, whoever chose them.

With one evaluation a step, every deterministic multistep method takes

    x_{i+1} = a_i x_i + sum_{j <= i} w_ij m_j

and for a fixed grid of N steps the numbers a_i, w_ij *are* the method: a triangle of N (N + 1) / 2 weights.  DDIM keeps its diagonal,
UniPC-2 fills three diagonals, DC-Solver (whose kept answers hold all older ones) the whole triangle, in a pattern with one free number
a row.  :func:`workbench.search.coefficients` lets all of them go.

Book: ``solvers/dc_solver``.  Papers: ``frankel2025s4s``, ``tong2025ld3``.
"""

from dataclasses import dataclass
from itertools import zip_longest
from math import isclose, isfinite

from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.exponential import Face, check_face
from workbench.solvers.multistep import Multistep, Weights


@dataclass(frozen=True)
class Tabulated(Multistep):
    """The weights of every step, for one sequence of times.

    Args:
        times: the planned times, one more than there are rows: without a finish at 0, and from the second time on where alpha = 0 at
            the first.
        rows: (t, x, past) of each step, the answer at t first in ``past``.
        face: which answer the weights multiply.

    Raises:
        ValueError: for rows that do not fit the times, more weights than answers, or numbers that are not finite; from ``plan``, for
            another grid than that of the table.
    """

    times: tuple[float, ...]
    rows: tuple[Weights, ...]
    face: Face = "data"
    order = 1
    paper = "frankel2025s4s"

    def __post_init__(self) -> None:
        check_face(self.face)
        if len(self.times) != len(self.rows) + 1 or any(row.t != t for row, t in zip(self.rows, self.times, strict=False)):
            raise ValueError(
                f"a table has one row for each step, at the time where the step starts; got {len(self.rows)} rows for {len(self.times)} times"
            )
        for i, row in enumerate(self.rows):
            if not 1 <= len(row.past) <= i + 1 or row.noise or not all(map(isfinite, (row.x, *row.past))):
                raise ValueError(f"row {i} needs 1 to {i + 1} finite weights of answers and no noise, got {row}")

    @classmethod
    def of(cls, solver: Multistep, schedule: Schedule, grid: Float[Tensor, "points"]) -> "Tabulated":
        """The table of any deterministic multistep method (DC-Solver too) on the planned part of ``grid``.

        Raises:
            TypeError: for a method that is not a deterministic multistep one.
        """
        times = planned_times(schedule, grid)
        check_linear(solver)
        return cls(tuple(times.tolist()), tuple(unrolled(solver.plan(schedule, times))), solver.face)

    @property
    def points(self) -> int:
        """How many answers the longest row combines."""
        return max((len(row.past) for row in self.rows), default=1)

    def weights(self, schedule, past, s) -> Weights:
        """The row of the step that starts at ``past[0]``."""
        return next(row for row in self.rows if row.t == past[0])

    def plan(self, schedule, grid) -> list[Weights]:
        """The table, on its own grid alone."""
        wanted = grid.tolist()
        if len(wanted) != len(self.times) or not all(isclose(a, b, rel_tol=1e-6) for a, b in zip(wanted, self.times, strict=True)):
            raise ValueError(
                f"the table holds for the planned times {list(self.times)}, the grid asks for {wanted}; "
                "take the grid that it was made for"
            )
        return list(self.rows)


def planned_times(schedule: Schedule, grid: Float[Tensor, "points"]) -> Float[Tensor, "planned"]:
    """The part of a grid that ``solve`` hands to a solver: no 0 at the end, no alpha = 0 at the start.

    Raises:
        ValueError: where fewer than two times are left.
    """
    todo = grid[:-1] if float(grid[-1]) == 0 else grid
    todo = todo[1:] if schedule.alpha(float(todo[0])) == 0 else todo
    if len(todo) < 2:
        raise ValueError(f"the grid {grid.tolist()} leaves no step to plan; it needs one more time")
    return todo


def check_linear(solver) -> None:
    """Raise TypeError unless the solver is a deterministic multistep method with one evaluation in every step."""
    if not isinstance(solver, Multistep) or solver.stochastic or solver.evaluations(9, to_zero=False) != 9:
        raise TypeError(
            f"a table holds one evaluation a step and no noise, and {type(solver).__name__} is no such method; take UniPC(order=2)"
        )


def unrolled(rows) -> list[Weights]:
    """Rows in terms of the model's own answers: what is kept of an answer is written out in the answers it was made of."""
    if all(getattr(row, "kept", (1.0,)) == (1.0,) for row in rows):
        return [Weights(row.t, row.x, row.past) for row in rows]
    kept, out = [], []  # kept, newest first: each as weights of the raw answers, oldest first
    for i, row in enumerate(rows):
        now = [0.0] * i + [1.0]
        known = [now, *kept]
        past = _mixed(row.past, known)
        out.append(Weights(row.t, row.x, tuple(past[::-1])[: _last(past)]))
        kept.insert(0, _mixed(getattr(row, "kept", (1.0,)), known))
    return out


def _mixed(weights, known) -> list[float]:
    total = [0.0] * len(known[0])
    for weight, parts in zip(weights, known, strict=False):
        total = [a + weight * b for a, b in zip_longest(total, parts, fillvalue=0.0)]
    return total


def _last(past: list[float]) -> int:
    """How many weights, counted from the newest, are needed to keep all that are not 0."""
    return max(len(past) - next((k for k, weight in enumerate(past) if weight), 0), 1)
