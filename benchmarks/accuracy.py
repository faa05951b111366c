"""How far from the exact answer: every method on every grid at 5, 8, 10, 15 and 20 evaluations, beside the best of diffusers.

Laws, from fixed noise: the ring (reference by integration at tight tolerances), the same under guidance, CIFAR-10's Gaussian law
(closed flow) and ten Gaussians in 3072 dimensions.  Two errors, both in units of the data, root mean square over samples and entries:

    path   distance to where the exact probability flow carries the same noise; for deterministic methods
    law    Wasserstein-2 distance between the Gaussian a method makes of the noise and the one the exact flow makes; for all
           methods, stochastic ones too, and exact (no sampling): on a Gaussian law every method is affine in its start and its draws

Each method takes the most steps that its budget pays for, to the schedule's t_last and to 0 (there the last evaluation is the data
prediction).  The schedulers of diffusers run to 0, from the noise their pipelines start with, are asked at their own noise levels
(not at rounded times), and are given the best of their own spacings.
"""

import math
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import workbench as wb
from benchmarks import laws
from benchmarks.peers import drive, label, options
from benchmarks.record import parser, publish_record, record, table

BUDGETS = (5, 8, 10, 15, 20)
SEED = 0


def problems() -> Iterator[tuple[laws.Problem, str, tuple[str, ...]]]:
    """The laws on their schedules, which error to measure, and where to stop."""
    discrete, vp, others = wb.schedules.DiscreteVP.linear(), wb.schedules.VP(), (wb.schedules.VE(), wb.schedules.Rectified())
    for law in (laws.ring, laws.cifar10):
        yield from ((law(schedule), "path", ("0", "t_last")) for schedule in (vp, discrete))
        yield from ((law(schedule), "path", ("0",)) for schedule in others)
    yield laws.cifar10(vp), "law", ("0",)
    yield laws.guided_ring(discrete), "path", ("0", "t_last")
    yield laws.pictures(discrete), "path", ("0", "t_last")


def path_error(problem: laws.Problem, solver: wb.solvers.Solver, grid: Tensor) -> float | None:
    """Distance to the exact flow of the same noise; None for a stochastic method, which follows another path."""
    if solver.stochastic:
        return None
    start, stop = float(grid[0]), float(grid[-1])
    run = wb.solve(problem.law, problem.start(start), grid, solver)
    assert run.evaluations == solver.evaluations_on(problem.law.schedule, grid), f"{label(solver)} miscounts its evaluations"
    return problem.error(run.x, start, stop)


def law_error(problem: laws.Problem, solver: wb.solvers.Solver, grid: Tensor) -> float:
    """Wasserstein-2 distance of the outcome's Gaussian from the exact flow's, both from N(0, sigma^2 I), in the eigenbasis.

    Entries do not mix there, so one run with unit vectors reads off the affine map: sample 0 starts at 0 without noise, sample 1 at 1,
    sample 2 + k at 0 with a 1 for its k-th draw.
    """
    law, start, stop = problem.law, float(grid[0]), float(grid[-1])
    sigma, draws = law.schedule.sigma(start), 2 * len(grid) if solver.stochastic else 0
    x = torch.zeros(2 + draws, *law.shape, dtype=torch.float64)
    x[1] = 1
    turn = iter(range(2, 2 + draws))

    def unit(*_) -> Tensor:
        z = torch.zeros_like(x)
        z[next(turn)] = 1
        return z

    with mock.patch("workbench.solve.normal", new=unit):
        x = wb.solve(law, x, grid, solver, generator=torch.Generator()).x
    spread = (sigma**2 * (x[1] - x[0]).square() + (x[2:] - x[0]).square().sum(0)).sqrt()
    exact = law.flow(torch.stack([torch.zeros_like(x[0]), torch.ones_like(x[0])]), start, stop)
    gap = (x[0] - exact[0]).square() + (spread - sigma * (exact[1] - exact[0]).abs()).square()
    alike = torch.ones_like(gap)
    alike[-1] = problem.entries - len(gap) + 1  # the last coordinate stands for all directions that are left
    return math.sqrt(float((alike * gap).sum()) / problem.entries)


ERRORS = {"path": path_error, "law": law_error}


def ours(problem: laws.Problem, what: str, stop: float, methods, grids, budgets) -> list[list[list[float | None]]]:
    """Errors by method, grid and budget; None where the budget is too small, the method stochastic, or the outcome not finite."""
    schedule = problem.law.schedule

    def one(solver, grid, budget: int) -> float | None:
        times = wb.solvers.grid_within(budget, solver, schedule, grid, start=schedule.t_first, stop=stop)
        error = None if times is None else ERRORS[what](problem, solver, times)
        return shortened(error)

    return [[[one(solver, grid, budget) for budget in budgets] for grid in grids] for solver in methods]


def theirs(problem: laws.Problem, budgets) -> list[dict[str, Any]]:
    """The schedulers of diffusers with every spacing they offer, to t = 0."""
    rows = []
    for name, spacing, settings in options():
        errors = [shortened(drive(problem, name, budget, **spacing, **settings)) for budget in budgets]
        rows.append({"scheduler": name, "spacing": words(spacing), "settings": words(settings), "errors": errors})
    return rows


def words(settings: dict[str, Any]) -> str:
    """Settings in a line."""
    return ", ".join(f"{key}={value}" for key, value in settings.items())


def shortened(error: float | None) -> float | None:
    """Three digits; None for what is not finite."""
    return None if error is None or not math.isfinite(error) else float(f"{error:.2e}")


def measure(every, methods=wb.solvers.ALL, grids=wb.grids.ALL, budgets=BUDGETS, peers: bool = True) -> dict[str, Any]:
    """All tables."""
    tables, other = [], []
    for problem, what, stops in every:
        schedule = problem.law.schedule
        about = {"law": problem.name, "schedule": type(schedule).__name__, "error": what}
        for stop in stops:
            end = 0.0 if stop == "0" else schedule.t_last
            tables.append({**about, "stop": stop, "errors": ours(problem, what, end, methods, grids, budgets)})
        if peers and what == "path" and isinstance(schedule, wb.schedules.DiscreteVP):
            other += [{**about, **row} for row in theirs(problem, budgets)]
        print(f"{problem.name} on {about['schedule']}, {what}: done", file=sys.stderr, flush=True)
    names = [label(solver) for solver in methods]
    return {"budgets": list(budgets), "methods": names, "grids": [g.__name__ for g in grids], "tables": tables, "diffusers": other}


def best(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """For each table and budget the most accurate method and grid, and the best of diffusers where it ran."""
    rows = []
    for entry in facts["tables"]:
        about = {key: entry[key] for key in ("law", "schedule", "error", "stop")}
        row = {**about, **{f"{budget}": smallest(facts, entry, b) for b, budget in enumerate(facts["budgets"])}, "by": "workbench"}
        rows.append(row)
        same = [d for d in facts["diffusers"] if all(d[k] == entry[k] for k in ("law", "schedule", "error"))]
        if same and entry["stop"] == "0":
            found = {
                f"{budget}": min((d["errors"][b], f"{d['scheduler']} {d['spacing']}") for d in same if d["errors"][b] is not None)
                for b, budget in enumerate(facts["budgets"])
            }
            rows.append({**about, **{k: f"{v:.2g} {who}" for k, (v, who) in found.items()}, "by": "diffusers"})
    return rows


def smallest(facts: dict[str, Any], entry: dict[str, Any], b: int) -> str:
    """The smallest error of one table at one budget, and whose it is."""
    found = [
        (by_grid[b], f"{method} {grid}")
        for method, row in zip(facts["methods"], entry["errors"], strict=True)
        for grid, by_grid in zip(facts["grids"], row, strict=True)
        if by_grid[b] is not None
    ]
    error, who = min(found)
    return f"{error:.2g} {who}"


def main() -> None:
    """Measure, print the winners, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    facts = measure(problems())
    print(table(best(facts)))
    record("accuracy", facts, arguments.json, seed=SEED)
    if arguments.artifact:
        publish_record("solver-accuracy", facts, source="exact-laws", command="python -m benchmarks.accuracy --artifact", seed=SEED)


if __name__ == "__main__":
    main()
