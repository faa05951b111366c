"""The ratios of DC-Solver, step by step: with gradients through the model, without, and in closed form.

Greedy: the ratio of step i is chosen with those before it settled, so that the corrected state at t_{i+1} lies nearest to a trajectory of
many steps.  It is one number at a time, so gradients are not needed: a line search over it asks the model as often as twenty steps of
an optimizer, and never backwards.  And the prediction alone is a polynomial in the ratio: its minimum takes no evaluation at all.

Book: ``solvers/dc_solver``.  Paper: ``zhao2024dcsolver``.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, at_least_single
from workbench.nets.training.checkpoint import save
from workbench.nets.training.resuming import check_path, digest
from workbench.progress import bar_of
from workbench.search.compensated import Compensation, Method, Progress, check, resumed
from workbench.search.compensating import Step, by_golden_section, by_gradient, in_closed_form
from workbench.search.teacher import check_task, miss, trajectory
from workbench.solve import solve
from workbench.solvers.dc_solver import DCSolver
from workbench.solvers.tabulated import planned_times


def compensation(
    model: Denoiser,
    grid: Float[Tensor, "points"],
    x: Float[Tensor, "batch *shape"],
    *,
    held_out: Float[Tensor, "other *shape"],
    solver: DCSolver | None = None,
    method: Method = "golden section",
    first: int = 2,
    iterations: int = 20,
    refine: int = 16,
    checkpoint: Path | None = None,
    progress: bool = False,
    callback: Callable[[int, float], object] | None = None,
) -> Compensation:
    """Choose the ratios of a DC-Solver for a model, a grid and this many steps.

    No step's loss is above that at rho = 1, and if the end of the run is farther from the many-step end than without compensation, the last
    ratios are taken back, one after the other, until it is not.  Nothing is drawn: the same call finds the same.

    Args:
        model: the denoiser (a guided one is what the method is meant for).
        grid: the times of the run, decreasing; its last may be 0.
        x: states at grid[0] to search on.
        held_out: states at grid[0] to judge on, of other noise.
        solver: a ``DCSolver`` whose other settings are kept; by default ``DCSolver()``.
        method: "gradient", AdamW through the model (as published, but without its weight decay, and keeping the best); "golden section" between 0 and 2; "closed form", the best ratio for the
            prediction alone, by a polynomial, held against 1 by two evaluations.
        first: the first step that is compensated, at least 1; 2 as published (the polynomial then has three answers).
        iterations: evaluations of the loss for each step, at least 4.
        refine: how many small steps of the trajectory make one of the grid's.
        checkpoint: a file that holds the ratios found so far; after an interruption the same call goes on from it and ends where it
            would have ended.
        progress: whether to show a progress bar.
        callback: called with the step and its ratio.

    Raises:
        TypeError, ValueError: for what cannot be sampled, held-out noise that is the search's own, an unknown method, or counts out of range.
        CheckpointError: for a checkpoint of another search.
    """
    solver = DCSolver() if solver is None else solver
    grid = check_task(model, grid, x, held_out, solver)
    check(method, first, iterations)
    planned = planned_times(model.schedule, grid)
    about = {
        "solver": repr(replace(solver, ratios=1.0)), "grid": grid.tolist(), "method": method, "first": first, "iterations": iterations,
        "refine": refine, "noise": digest(x),
    }  # fmt: skip
    done = Progress()
    if checkpoint is not None:
        check_path(checkpoint, 1)
        done = resumed(checkpoint, about) if checkpoint.exists() else done
    teacher, asked = trajectory(model, x, grid, refine=refine)
    try:
        for i, ratio in _ratios(model, solver, planned.tolist(), grid, x, teacher, method, first, iterations, done, progress):
            if checkpoint is not None:
                checkpoint.parent.mkdir(parents=True, exist_ok=True)
                save(checkpoint, asdict(done), about)
            if callback is not None:
                callback(i, ratio)
        interrupted = False
    except KeyboardInterrupt:
        interrupted = True
    count = len(planned) - 1
    ratios = tuple(done.ratios) + (1.0,) * (count - len(done.ratios))

    one, cost = (1.0,) * count, getattr(model, "cost", 1)
    plain, calls = miss(model, x, grid, replace(solver, ratios=one), teacher[-1])
    asked, found, chosen = asked + calls, plain, one
    for shorter in dict.fromkeys(ratios[:keep] + one[keep:] for keep in range(count, 0, -1)):
        if shorter != one:
            value, calls = miss(model, x, grid, replace(solver, ratios=shorter), teacher[-1])
            asked += calls
            if value <= plain:
                found, chosen = value, shorter
                break
    states, others = trajectory(model, held_out, grid, refine=refine)
    (judged_plain, a), (judged, b) = (
        miss(model, held_out, grid, replace(solver, ratios=each), states[-1]) for each in (one, chosen)
    )
    evaluations = ((asked + done.calls) * len(x) + (others + a + b) * len(held_out)) * cost
    steps = tuple((float(a), float(b)) for a, b in done.steps)
    solver, backward = replace(solver, ratios=chosen), done.backward * len(x) * cost
    return Compensation(solver, steps, plain, found, judged_plain, judged, evaluations, backward, interrupted)


def _ratios(model, solver, times, grid, x, teacher, method, first, iterations, done, progress):
    """Go through the steps, adding to ``done``; yields each new step and its ratio."""
    offset = len(grid) - len(times) - int(float(grid[-1]) == 0)
    state, answers = at_least_single(x), ()
    if offset:  # alpha = 0 at the start: the first step is solve's
        state = solve(model, state, grid[:2], solver).x
        done.calls += not done.ratios
    steps = len(times) - 1
    bar = bar_of(steps, progress)
    for i in range(steps):
        known = i < len(done.ratios)
        ask = model.data if solver.face == "data" else model.noise
        with torch.no_grad():
            answers = (ask(state, times[i]), *answers[: solver.points - 1])
            step = Step(model, solver, times, i, state, answers, float(grid[-1]) if grid[-1] == 0 else None)
            if not known:
                done.calls += 1
                _choose(step, teacher[offset + i + 1], teacher[-1], method, i < first, iterations, done)
            ratio = done.ratios[i]
            state, kept = step.predicted(ratio)
            answers = (kept, *answers[1:])
        if bar is not None:
            bar.update()
        if not known:
            yield i, ratio
    if bar is not None:
        bar.close()


def _choose(step: Step, teacher, end, method, fixed: bool, iterations: int, done: Progress) -> None:
    def loss(ratio):
        value, calls = step.judged(ratio, teacher, end)
        counted[0] += calls
        return value

    counted, backward = [0], 0
    if fixed:
        ratio, before, after = 1.0, 0.0, 0.0
    else:
        if method == "gradient":
            before = float(loss(1.0))
            ratio, after = by_gradient(loss, iterations)
            backward = max(counted[0] - 2, 0)  # the first is without, and the last is not followed by a step
        elif method == "golden section":
            before = float(loss(1.0))
            ratio, after = by_golden_section(lambda r: before if r == 1 else loss(r), iterations)
        else:
            before = float(loss(1.0))
            tried = {r: float(loss(r)) for r in in_closed_form(step, teacher)}
            ratio = min(tried, key=tried.__getitem__, default=1.0)
            after = tried.get(ratio, before)
        if not after < before:
            ratio, after = 1.0, before
    done.ratios.append(float(ratio))
    done.steps.append((before, after))
    done.calls += counted[0]
    done.backward += backward
