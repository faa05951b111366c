"""Coefficients and times of a few steps, learned by gradient descent through the sampler.

A run of N steps has N times and a triangle of weights; the end of the run is a smooth function of them.  So one can descend on the distance
between the end and the end of a many-step run from the same noise, over a batch of noise.  It needs no data and leaves the network
alone, but it is training all the same: what is found belongs to one network and one number of steps, and has seen its noise.

Book: ``solvers/dc_solver``.  Papers: times ``tong2025ld3``; weights ``frankel2025s4s``; both, with a midpoint, ``zhou2024amed``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, at_least_single
from workbench.nets.training.resuming import check_path, digest
from workbench.progress import bar_of
from workbench.search.descent import Descent
from workbench.search.teacher import check_task, distance, miss, trajectory
from workbench.search.triangle import Triangle
from workbench.solve import solve
from workbench.solvers.multistep import Multistep
from workbench.solvers.tabulated import Tabulated, check_linear, planned_times
from workbench.solvers.unipc import UniPC


@dataclass(frozen=True)
class Learned:
    """What was learned.

    Args:
        solver: the table; it samples on ``grid`` alone.
        grid: the times.
        history: mean squared distance of the end from the many-step end on the training noise, before each iteration and after the last.
        plain, found: the same for the solver and grid it began with, and for what is returned: the best that was met.
        held_out_plain, held_out: the same on noise that the training has not seen.
        evaluations: network evaluations: calls times samples times the model's cost, trajectories and judgment included.
        backward: how many of them were followed by a backward pass.
        interrupted: whether somebody stopped it before its time.
    """

    solver: Tabulated
    grid: Tensor
    history: tuple[float, ...]
    plain: float
    found: float
    held_out_plain: float
    held_out: float
    evaluations: int
    backward: int
    interrupted: bool = False


def coefficients(
    model: Denoiser,
    grid: Float[Tensor, "points"],
    x: Float[Tensor, "batch *shape"],
    *,
    held_out: Float[Tensor, "other *shape"],
    solver: Multistep | None = None,
    times: bool = True,
    weights: bool = True,
    iterations: int = 100,
    rate: float = 0.03,
    refine: int = 16,
    checkpoint: Path | None = None,
    save_every: int = 10,
    progress: bool = False,
    callback: Callable[[int, float], object] | None = None,
) -> Learned:
    """Learn a table of weights, its times, or both, from a solver and a grid on.

    Adam on the whole batch, with a rate that falls like a cosine; the best table met is kept, so on its own noise nothing gets worse.
    Nothing is drawn: the same call finds the same.

    Args:
        model: the denoiser; it must let gradients through, to its state and (for free times) to its time.
        grid: the times to begin with, decreasing; its last may be 0.
        x: states at grid[0] to train on.
        held_out: states at grid[0] to judge on, of other noise.
        solver: a deterministic multistep method to begin with; by default ``UniPC(order=2)``.
        times: whether times are free: all but the first and the last, on a grid that ends at 0 the last positive one too.
        weights: whether the weights of older answers are free.
        iterations: of Adam.
        rate: its first rate.
        refine: how many small steps of the many-step run make one of the grid's.
        checkpoint: a file, replaced as a whole as the training goes on; after an interruption of any kind the same call goes on from it, and
            ends where it would have ended.
        save_every: iterations between two checkpoints.
        progress: whether to show a progress bar.
        callback: called with the iteration and its loss.

    Raises:
        TypeError, ValueError: for what cannot be sampled, held-out noise that is the training's own, a solver without a table, nothing to
            learn, or numbers out of range.
        CheckpointError: for a checkpoint of another training.
    """
    solver = UniPC(order=2) if solver is None else solver
    grid = check_task(model, grid, x, held_out, solver)
    _check(solver, times, weights, iterations, rate)
    planned, finish = planned_times(model.schedule, grid), float(grid[-1]) == 0
    triangle = Triangle(model.schedule, solver, planned, finish, times, weights)
    about = {
        "solver": repr(solver), "grid": grid.tolist(), "times": times, "weights": weights, "iterations": iterations, "rate": rate,
        "refine": refine, "noise": digest(x),
    }  # fmt: skip
    if checkpoint is not None:
        check_path(checkpoint, save_every)
    states, calls = trajectory(model, x, grid, refine=refine)
    wanted = states[-1]
    state = at_least_single(x)
    lead = grid.tolist()[: len(grid) - len(planned) - finish]  # a first time with alpha = 0
    if lead:
        state, calls = solve(model, state, grid[:2], solver).x, calls + 1
    training = Descent(triangle.start(), iterations, rate)
    if checkpoint is not None and checkpoint.exists():
        training.resume(checkpoint, about)
    bar = bar_of(iterations + 1, progress, len(training.history), "iteration")
    interrupted = False

    def loss(free: list[Tensor]) -> Tensor:
        return distance(run(model, triangle, free, state, finish), wanted)

    try:
        while len(training.history) <= iterations:
            value = training.step(loss)
            done = len(training.history) - 1
            if checkpoint is not None and (done % save_every == 0 or done == iterations):
                training.keep(checkpoint, about)
            if bar is not None:
                bar.update()
                bar.set_postfix(loss=f"{value:.4g}")
            if callback is not None:
                callback(done, value)
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint is not None:
            training.keep(checkpoint, about)
    finally:
        if bar is not None:
            bar.close()
    table, places = triangle.solver_of(training.best)
    found_grid = torch.tensor([*lead, *places, *([0.0] if finish else [])], dtype=torch.float64)
    pairs = ((solver, grid), (table, found_grid))
    (plain, a), (found, b) = (miss(model, x, where, one, wanted) for one, where in pairs)
    states, others = trajectory(model, held_out, grid, refine=refine)
    (judged_plain, c), (judged, d) = (miss(model, held_out, where, one, states[-1]) for one, where in pairs)
    each, cost, passes = len(planned) - 1 + finish, getattr(model, "cost", 1), len(training.history)
    evaluations = ((calls + a + b + passes * each) * len(x) + (others + c + d) * len(held_out)) * cost
    backward = max(passes - 1, 0) * each * len(x) * cost
    history = tuple(training.history)
    return Learned(table, found_grid, history, plain, found, judged_plain, judged, evaluations, backward, interrupted)


def run(model: Denoiser, triangle: Triangle, free: list[Tensor], x: Tensor, finish: bool) -> Tensor:
    """The end of the run from the first planned time, with its graph."""
    clocks = triangle.clocks(free)
    table, times = triangle.table(clocks, free).to(x), triangle.times(clocks)
    ask = model.data if triangle.solver.face == "data" else model.noise
    answers = []
    for i, row in enumerate(table):
        answers.insert(0, ask(x, _one_each(times[i], x)))
        x = row[0] * x
        for weight, answer in zip(row[1:], answers, strict=False):
            x = x + weight * answer
    return model.data(x, _one_each(times[-1], x)) if finish else x


def _one_each(t: float | Tensor, x: Tensor) -> float | Tensor:
    return t.expand(len(x)) if isinstance(t, Tensor) else t


def _check(solver, times: bool, weights: bool, iterations: int, rate: float) -> None:
    check_linear(solver)
    if not (times or weights):
        raise ValueError("times=False and weights=False leave nothing to learn")
    if times and isinstance(solver, Tabulated):
        raise ValueError("a table holds for its own times; learn its weights alone (times=False), or begin with a method")
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1 or not 0 < rate < math.inf:
        raise ValueError(f"iterations must be at least 1 and rate positive, got {iterations!r} and {rate!r}")
