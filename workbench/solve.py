"""The only sampling loop in the package.

A solver plans the whole grid once, in float64; then every step is a few fused multiply-adds.  ``solve`` owns what all solvers
share: both singular ends of the grid, the counting of evaluations, the noise, the trajectory.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import gt, lt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, at_least_single
from workbench.draws import Generators, check_generators, normal
from workbench.schedules import Schedule
from workbench.solution import Counted, Solution, check_state
from workbench.solvers.base import Solver


def solve(
    model: Denoiser,
    x: Float[Tensor, "batch *shape"],
    grid: Float[Tensor, "points"] | Sequence[float],
    solver: Solver,
    *,
    generator: Generators | None = None,
    trajectory: bool = False,
    progress: bool = False,
    callback: Callable[[int, float, Tensor], None] | None = None,
    differentiable: bool = False,
) -> Solution:
    """Carry the state ``x`` at ``grid[0]`` to ``grid[-1]``.

    * ``grid[-1] == 0`` means: take every other step, then finish with the data prediction (one evaluation, no noise).
    * alpha = 0 at ``grid[0]``: the first step is x <- (sigma_s / sigma_t) x + alpha_s data(x, t); the solver starts after it.
    * Solvers with ``regular_ends`` on this schedule take both ends themselves.
    * An increasing grid (inversion: from data to noise) is for deterministic solvers and starts above 0.
    * What a sample becomes does not depend on the rest of the batch (beyond the rounding of the model's own batched products).
    * float16 and bfloat16 states are sampled in float32 and handed back in their own dtype.

    Args:
        model: what to sample; times are those of ``model.schedule``.
        x: the state at grid[0] (for a fresh sample ``model.schedule.prior(shape, grid[0], generator=...)``).
        grid: strictly monotone times, at least two.
        solver: one of ``wb.solvers``.
        generator: a ``torch.Generator``, or a list with one per sample (then no draw depends on the rest of the batch).
        trajectory: keep the state at every grid point.
        progress: show a progress bar.
        callback: called as ``callback(i, t, x)`` after step i (from 0), which arrived at time t in state x.
        differentiable: keep the graph (otherwise runs without gradients).

    Raises:
        ValueError, TypeError: for a bad state, grid, solver or generator, before the model is called.
    """
    solver = _checked_solver(solver)
    check_model(model)
    times = check_grid(grid, model.schedule, solver)
    check_state(x)
    if solver.stochastic:
        check_generators(generator, len(x), type(solver).__name__)
    counted = Counted(model)
    with torch.set_grad_enabled(differentiable and torch.is_grad_enabled()):
        state = at_least_single(x)
        steps = _steps(counted, times, solver, state, generator)
        if progress:
            from tqdm.auto import tqdm

            steps = tqdm(steps, total=len(times) - 1, desc=type(solver).__name__)
        states = [state] if trajectory else None
        for i, state in enumerate(steps):
            if states is not None:
                states.append(state)
            if callback is not None:
                callback(i, times[i + 1], state)
        xs = None if states is None else torch.stack(states).to(x.dtype)
        return Solution(
            state.to(x.dtype), xs, torch.tensor(times, dtype=torch.float64), counted.calls, solver, getattr(model, "cost", 1)
        )


def _steps(model: Counted, times: list[float], solver: Solver, x: Tensor, generator):
    """Yield the state at times[1], times[2], ...: singular start, planned rows, singular end."""
    schedule, todo = model.schedule, times
    own_ends = solver.regular_ends(schedule)
    finish = times[-1] == 0 and not own_ends
    if finish:
        todo = todo[:-1]
    if not own_ends and len(todo) > 1 and schedule.alpha(todo[0]) == 0:
        now, after = todo[0], todo[1]
        x = (schedule.sigma(after) / schedule.sigma(now) * x).add_(model.data(x, now), alpha=schedule.alpha(after))
        todo = todo[1:]
        yield x
    if len(todo) > 1:
        draw, memory = partial(_draw, generator), None
        rows = solver.plan(schedule, torch.tensor(todo, dtype=torch.float64))
        for row in _on_device(solver.in_terms_of(model.predicts, rows, schedule), x):
            x, memory = solver.step(model, x, row, memory, draw)
            yield x
    if finish:
        yield model.data(x, todo[-1])


def _draw(generator: Generators, like: Tensor) -> Tensor:
    return normal(like.shape, generator, like.dtype, like.device)


def _on_device(rows: Sequence[Any], x: Tensor) -> Sequence[Any]:
    """Move the tensors that a plan may hold (coefficients shaped as a sample) to the state's device and dtype, once."""
    if not any(Tensor in map(type, row) for row in rows):
        return rows
    return [row._replace(**{name: v.to(x) for name, v in row._asdict().items() if isinstance(v, Tensor)}) for row in rows]


def check_model(model: Any) -> None:
    """Raise TypeError unless ``model`` carries a schedule."""
    if not isinstance(getattr(model, "schedule", None), Schedule):
        raise TypeError(f"model must be a Denoiser (it carries its schedule), got {type(model).__name__}; see wb.NetworkDenoiser")


def check_instance(solver: Any) -> None:
    """Raise TypeError for a class in the place of a solver."""
    if isinstance(solver, type):
        raise TypeError(f"solver is the class {solver.__name__}; pass an instance: {solver.__name__}()")


def _checked_solver(solver: Any) -> Solver:
    check_instance(solver)
    if not (hasattr(solver, "plan") and hasattr(solver, "step")):
        raise TypeError(f"solver must have plan() and step(), got {type(solver).__name__}; choose one of wb.solvers.ALL")
    return solver


def check_grid(grid: Any, schedule: Schedule, solver: Any) -> list[float]:
    """The times as floats; TypeError or ValueError unless they are a grid on which ``solver`` can run."""
    try:
        times = torch.as_tensor(grid, dtype=torch.float64).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"a grid is a 1-D tensor (or list) of times, got {type(grid).__name__}; see wb.grids") from error
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"a grid is a 1-D tensor of at least two times, got shape {tuple(times.shape)}; see wb.grids")
    values = times.tolist()
    low, high = min(values[0], values[-1]), max(values[0], values[-1])
    monotone = all(map(gt if values[0] > values[-1] else lt, values, values[1:]))  # never true of NaN
    if not monotone or not math.isfinite(high - low):
        raise ValueError(f"a grid must decrease strictly from noise to data (or increase, to invert), got {values}")
    if low < 0 or high > schedule.t_max:
        raise ValueError(f"the grid covers [{low}, {high}], but {type(schedule).__name__} is defined on [0, {schedule.t_max}]")
    if values[0] < values[-1]:
        if solver.stochastic:
            raise ValueError(
                f"the grid increases (inversion), but {type(solver).__name__} is stochastic; use a deterministic solver"
            )
        if low == 0:
            raise ValueError(f"the grid increases from 0, where sigma = 0; start the inversion at t_last = {schedule.t_last}")
        if schedule.alpha(high) == 0:
            raise ValueError(
                f"the grid increases to t = {high}, where alpha = 0; stop the inversion at t_first = {schedule.t_first}"
            )
    return values
