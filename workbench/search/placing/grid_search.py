"""One door to all ways of searching a grid for a model and a solver."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench import grids
from workbench.denoiser import Denoiser
from workbench.search.placing.by_cost import DynamicProgramming
from workbench.search.placing.by_density import ErrorDensity
from workbench.search.placing.by_evolution import Evolving
from workbench.search.placing.by_refining import Refining
from workbench.search.placing.found_grid import FoundGrid
from workbench.search.placing.genome import snapped
from workbench.search.placing.judge import Judge, Measure
from workbench.search.placing.paths import Paths
from workbench.search.placing.teacher import Teacher
from workbench.solve import check_grid, check_instance, check_model
from workbench.solvers import UniPC
from workbench.solvers.base import Solver

METHODS = (DynamicProgramming, ErrorDensity, Evolving, Refining)
Method = DynamicProgramming | ErrorDensity | Evolving | Refining


def grid(
    model: Denoiser,
    solver: Solver,
    n: int,
    *,
    method: str | Method = "dynamic programming",
    noise: Float[Tensor, "batch *shape"] | Teacher | None = None,
    held_out: Float[Tensor, "held *shape"] | Teacher | None = None,
    samples: int = 64,
    generator: torch.Generator | None = None,
    start: float | None = None,
    stop: float | None = None,
    candidates: int | Sequence[float] | Tensor = 60,
    teacher: Solver | None = None,
    measure: Measure | None = None,
) -> FoundGrid:
    """Search the grid of n steps on which ``solver`` follows ``model`` best.

        >>> import torch, workbench as wb
        >>> law = wb.gaussian.GaussianDenoiser(torch.zeros(2).double(), torch.ones(2).double(), wb.schedules.VP())
        >>> draws = torch.Generator().manual_seed(0)
        >>> found = wb.search.grid(law, wb.solvers.DDIM(), 5, generator=draws)
        >>> len(found), found.evaluations
        (6, 4480)

    "dynamic programming" and "error density" look at a teacher's path and propose one grid; "evolution" and "refinement" run the solver on
    many grids and keep the best.  All are judged twice: on the noise they have seen, and on noise they have not.

    Args:
        model: what is sampled; with a ``flow``, it is its own exact teacher.
        solver: a deterministic one.
        n: steps; the grid has n + 1 points.
        method: a name, or a method with settings: :class:`DynamicProgramming`, :class:`ErrorDensity`, :class:`Evolving`, :class:`Refining`.
        noise: the states at ``start`` to search on; None draws ``samples`` of them, for a model that knows its ``shape``.  Or a teacher that has
            run from them already (:func:`teach`), for several searches; its times are the candidates, and its price is not counted again.
        held_out: others, to judge with; None draws as many as there are of ``noise``.
        samples: how many to draw.
        generator: for all that is drawn.
        start, stop: the ends; ``schedule.t_first`` and ``schedule.t_last`` if None.  stop = 0 finishes with the data prediction.
        candidates: times to choose from, with both ends; or in how many steps of ``wb.grids.karras`` to cut the way between them.
        teacher: the solver of the long run; None is ``UniPC()``.
        measure: (ends, truth) -> error, lower is better; ``wb.metrics.relative_error`` if None.

    Returns:
        The grid, its two errors, and its price.

    Raises:
        TypeError: for a model, solver, method or generator that is none.
        ValueError: for a stochastic solver, noise of another shape, an unknown method, or candidates that do not suffice.
    """
    check_model(model)
    check_instance(solver)
    if solver.stochastic:
        raise ValueError(
            f"{type(solver).__name__} is stochastic; a grid is judged by where a sample ends, so give a deterministic solver"
        )
    chosen, schedule = _method(method), model.schedule
    whole = grids.uniform(schedule, n, start, stop)  # checks n and the ends
    times = _candidates(noise.times if isinstance(noise, Teacher) else candidates, schedule, whole, solver)
    snapped(whole.tolist(), times.tolist())  # are there enough?
    proposes = isinstance(chosen, DynamicProgramming | ErrorDensity)
    if not proposes and not isinstance(generator, torch.Generator):
        raise TypeError(f"{chosen.name} draws, and got generator={generator!r}; pass torch.Generator().manual_seed(0)")
    paths = Paths(model, times, UniPC() if teacher is None else teacher, generator)
    seen = paths.of(noise, samples, full=proposes)
    unseen = paths.of(held_out, len(seen.noise), like=seen.noise)
    judge, other = (Judge(model, solver, path.noise, path.truth, measure) for path in (seen, unseen))
    if proposes:
        places = chosen.place(seen.teacher, schedule, n, solver.global_order)
        fitness = judge(places)
        outcome = {"times": tuple(places), "fitness": fitness, "history": (fitness,), "model": model}
    else:
        begin = _begin(chosen.begin, judge, n, times, start, stop)
        found = chosen.search(judge, times.tolist(), begin, generator)
        outcome = vars(found) | {"times": tuple(found.times), "model": found.model or model}
    error = other(outcome["times"], model=outcome["model"])
    judging = other.paid + unseen.paid
    evaluations = seen.paid + judge.paid + judging
    about = {"method": chosen.name, "solver": solver, "held_out": error, "evaluations": evaluations, "judging": judging}
    return FoundGrid(**about, **outcome, paper=chosen.paper)


def _method(method: Any) -> Method:
    if isinstance(method, METHODS):
        return method
    known = {one.name: one for one in METHODS}
    if isinstance(method, type) or not isinstance(method, str):
        raise TypeError(f"method={method!r} is no method; give a name ({', '.join(known)}) or an instance such as Evolving()")
    if method not in known:
        raise ValueError(f"method={method!r}; there are {', '.join(known)}")
    return known[method]()


def _candidates(candidates: Any, schedule: Any, whole: Tensor, solver: Solver) -> Tensor:
    start, stop = float(whole[0]), float(whole[-1])
    if isinstance(candidates, int):
        return grids.karras(schedule, candidates, start, stop)
    times = check_grid(candidates, schedule, solver)
    if (times[0], times[-1]) != (start, stop):
        raise ValueError(
            f"the candidates run from {times[0]} to {times[-1]}, and the grid from {start} to {stop}; give both the same ends"
        )
    return torch.tensor(times, dtype=torch.float64)


def _begin(begin: Any, judge: Judge, n: int, times: Tensor, start: float | None, stop: float | None) -> list[float]:
    """The grid to begin from, checked; or the best of those that are known."""
    if begin is None:
        known = [place(judge.model.schedule, n, start, stop).tolist() for place in grids.ALL]
        return min(known, key=judge)
    first = check_grid(begin, judge.model.schedule, judge.solver)
    if len(first) != n + 1 or first[0] != float(times[0]) or first[-1] != float(times[-1]):
        raise ValueError(f"begin needs {n + 1} times from {float(times[0])} to {float(times[-1])}, got {first}")
    return first
