"""Search the solver itself: times, orders, estimates, relaxations and correctors of every step, for one model and one budget (S3)."""

import itertools
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench import grids
from workbench.denoiser import Denoiser
from workbench.metrics.relative import relative_error
from workbench.search.evolution import evolve
from workbench.search.found import Found
from workbench.search.settings import Evolution, Stage
from workbench.search.solving.found_solver import FoundSolver
from workbench.search.solving.genome import SolverSpace, State
from workbench.search.solving.mutation import SolverMutation
from workbench.search.solving.predictor import Predictor, Sieve
from workbench.solution import check_state
from workbench.solve import check_model, solve
from workbench.solvers import (
    DDIM,
    DPMSolver,
    DPMSolverPP2M,
    DPMSolverPP2S,
    DPMSolverPP3S,
    Solver,
    Unified,
    UniPC,
    grid_within,
    unify,
)

BEGINNINGS: tuple[Solver, ...] = (
    DDIM(),
    DPMSolverPP2M(),
    DPMSolverPP2M(correction="taylor"),
    UniPC(order=2),
    UniPC(order=2, variant="B1"),
    UniPC(),
    UniPC(face="noise"),
    DPMSolverPP2S(),
    DPMSolver(order=2),
    DPMSolverPP3S(),
)
Measure = Callable[[Tensor, Tensor], float]


class SolverJudge:
    """Runs a solver from fixed noise and compares where it ends with the truth; counts what that costs.

    Args:
        model: what is sampled.
        noise: fixed starts.
        truth: where their exact paths end.
        budget: the evaluations of a run; another number is an error, never a result.
        measure: (ends, truth) -> a number, lower is better; the relative error if None.
    """

    def __init__(self, model: Denoiser, noise: Tensor, truth: Tensor, budget: int, measure: Measure | None = None) -> None:
        self.model, self.noise, self.truth, self.budget = model, noise, truth, budget
        self.measure, self.paid = measure or relative_error, 0

    def __call__(self, solver: Solver, grid: Tensor, samples: int | None = None) -> float:
        """The error on the first ``samples`` starts, all if None; infinite where the run left the numbers."""
        run = solve(self.model, self.noise[:samples], grid, solver)
        self.paid += int(run.network_calls) * len(run.x)
        if run.evaluations > self.budget:
            raise RuntimeError(f"{solver} spent {run.evaluations} evaluations, and the budget is {self.budget}")
        return float(self.measure(run.x, self.truth[:samples])) if bool(run.x.isfinite().all()) else math.inf


def solver(
    model: Denoiser,
    budget: int,
    *,
    noise: Float[Tensor, "batch *shape"],
    held_out: Float[Tensor, "held *shape"],
    generator: torch.Generator,
    truth: Callable[[Tensor], Tensor] | None = None,
    start: float | None = None,
    stop: float | None = None,
    begin: tuple[Solver, Any] | None = None,
    settings: Evolution | None = None,
    judged: int | None = 8,
    measure: Measure | None = None,
    checkpoint: Path | None = None,
    progress: bool = False,
    callback: Callable[[Found], object] | None = None,
    **space: Any,
) -> FoundSolver:
    """Search the solver that follows ``model`` best with exactly ``budget`` evaluations.

        >>> import torch, workbench as wb
        >>> law = wb.characters.ellipse(wb.schedules.VP())
        >>> draws = torch.Generator().manual_seed(0)
        >>> noise, other = (law.schedule.prior((32, 2), 1.0, generator=draws).double() for _ in range(2))
        >>> few = wb.search.Evolution(3, 16, (wb.search.Stage(32, 1),))
        >>> found = wb.search.solver(law, 4, noise=noise, held_out=other, generator=draws, settings=few)
        >>> wb.solve(law, other, found.grid, found.solver).evaluations
        4

    A (1 + lambda) search (:func:`evolve`) from the best known solver.  In every generation a light predictor, trained on all pairs of
    solver and fitness so far, first sieves the children; those it likes are run on few samples, the best of these on all.  The paper's
    search is guided by a predictor too, has several parents and crosses them; its predictor is described in an appendix that has not
    been seen here, so ours may be another.

    Args:
        model: what is sampled.
        budget: evaluations of the model in a run, both ends included.  Solvers that would spend another number do not exist here.
        noise: the states at ``start`` to search on, in random order (few samples are the first of them).
        held_out: others, never searched on.
        generator: for the search.
        truth: (states) -> where their exact paths end.  None takes ``model.flow`` where there is one, else a long run (whose cost counts).
        start, stop: the ends; ``schedule.t_first`` and ``schedule.t_last`` if None.  0 finishes with the data prediction.
        begin: a solver (one that :func:`workbench.solvers.unify` understands, or a ``Unified``) and its grid to begin with; None tries
            the best known on all of ``wb.grids.ALL``.
        settings: of the evolution; ``offspring`` counts the children before the predictor's sieve.
        judged: how many children of a generation are run; None runs all, without a predictor.
        measure: (ends, truth) -> error, lower is better; ``wb.metrics.relative_error`` if None.
        checkpoint, progress, callback: as in :func:`evolve`.
        space: what a solver may be: faces, orders, starts, correctors, statistics of :class:`SolverSpace`.

    Returns:
        The solver, its grid, both errors, and the price.

    Raises:
        TypeError: for a model, states or a generator that are none.
        ValueError: for states of different shape, a beginning of another price, or what :class:`SolverSpace` refuses.
    """
    check_model(model)
    check_state(noise)
    check_state(held_out)
    if noise.shape[1:] != held_out.shape[1:]:
        raise ValueError(
            f"noise has samples of shape {tuple(noise.shape[1:])}, held_out of {tuple(held_out.shape[1:])}; give both the same"
        )
    schedule = model.schedule
    start = schedule.t_first if start is None else float(start)
    stop = schedule.t_last if stop is None else float(stop)
    whole = SolverSpace(schedule, budget, start, stop, **space)
    settings = settings or Evolution(40, 32, (Stage(max(len(noise) // 4, 1), 2), Stage(len(noise), 1)))
    if settings.stages[-1].samples > len(noise):
        raise ValueError(f"the last stage looks at {settings.stages[-1].samples} samples, and there are {len(noise)} of noise")
    if begin is not None:
        first = whole.encode(*_unified(*begin, schedule))  # checked before any work
    exact = truth or (lambda x: _truth(model, x, start, stop))
    paid = 0 if truth is not None or hasattr(model, "flow") else LONG * getattr(model, "cost", 1)
    judge, other = (SolverJudge(model, part, exact(part), budget, measure) for part in (noise, held_out))
    name = "the given solver"
    if begin is None:
        name, first = _best(whole, judge, settings.stages[0].samples)
    sieve = None if judged is None else Sieve(Predictor(budget), judged)
    found = evolve(
        first,
        SolverMutation(whole),
        lambda state, stage: judge(*whole.decode(state), stage.samples),
        settings,
        generator=generator,
        sieve=sieve,
        checkpoint=checkpoint,
        progress=progress,
        callback=callback,
    )
    best, grid = whole.decode(found.best)
    errors = other(best, grid), other(*whole.decode(first))
    judging = other.paid + paid * len(held_out)
    return FoundSolver(
        best, tuple(grid.tolist()), budget, found.fitness, errors[0], name, found.history[0].fitness, errors[1],
        judge.paid + paid * len(noise) + judging, judging, found,
    )  # fmt: skip


LONG = 80  # evaluations of the long run that stands in for the truth


def _truth(model: Denoiser, x: Tensor, start: float, stop: float) -> Tensor:
    if hasattr(model, "flow"):
        return model.flow(x, start, stop)
    return solve(model, x, grids.log_snr(model.schedule, LONG, start, stop), UniPC()).x


def _unified(solver: Solver, grid: Any, schedule: Any):
    return (solver, grid) if isinstance(solver, Unified) else unify(solver, schedule, grid)


def _best(space: SolverSpace, judge: SolverJudge, few: int) -> tuple[str, State]:
    """The best of the known solvers on the best of the known grids that spends the budget exactly: three on few samples, one on all."""
    tried: list[tuple[float, str, State]] = []
    for one, place in itertools.product(BEGINNINGS, grids.ALL):
        grid = grid_within(space.budget, one, space.schedule, place, start=space.start, stop=space.stop)
        if grid is None or one.evaluations_on(space.schedule, grid) != space.budget:
            continue
        try:
            state = space.encode(*unify(one, space.schedule, grid))
        except ValueError:  # a face or an order that the space leaves out, or an end that a place cannot reach
            continue
        tried.append((judge(*space.decode(state), few), f"{type(one).__name__}{_settings(one)} on {place.__name__}", state))
    if not tried:
        raise ValueError("no known solver fits into this space; give one to begin with: begin=(solver, grid)")
    best = sorted(tried, key=lambda entry: entry[0])[:3]
    return min(best, key=lambda entry: judge(*space.decode(entry[2])))[1:]


def _settings(one: Solver) -> str:
    """What is not default, in brackets."""
    changed = {f.name: value for f in fields(one) if (value := getattr(one, f.name)) != f.default}
    return f"({', '.join(f'{name}={value!r}' for name, value in changed.items())})" if changed else ""
