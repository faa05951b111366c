"""Solvers searched for the book's network at a few budgets, on few pictures, and judged on the nine, which the search has not seen.

For every budget of evaluations, from t = 1 to 0 on ``VP()``:

    network    searched on the network itself, on a few starts
    gaussian   searched on the Gaussian law with the mean and covariance of CIFAR-10, and judged on the network

each with the solver that the search began with, the best of the known ones on the best of the book's grids, its error on the starts of
the search, on the nine, and what was paid.  The error is relative (``wb.metrics.relative_error``).  An interrupted run goes on where it
was with --resume FOLDER.  About five minutes of one slow core.
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch

import workbench as wb
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from workbench.nets.training.batches import generator_of
from workbench.search import Evolution, FoundSolver, Stage
from workbench.search.solving import SolverJudge

SEED = 13
BUDGETS = (5, 6, 8, 10)
DEFAULTS = {"samples": 3, "first": 1, "generations": 24, "offspring": 32, "judged": 6, "survivors": 2}


def starts(schedule: wb.schedules.Schedule, count: int, key: int) -> torch.Tensor:
    """Noise of pictures, of other seeds than the nine."""
    return schedule.prior((count, 3, 32, 32), schedule.t_first, generator=generator_of(SEED, key))


def searched(
    model: wb.Denoiser, budget: int, noise: torch.Tensor, held: torch.Tensor, settings: dict[str, int], **more: Any
) -> FoundSolver:
    """One search."""
    stages = (Stage(settings["first"], settings["survivors"]), Stage(settings["samples"], 1))
    return wb.search.solver(
        model,
        budget,
        noise=noise,
        held_out=held,
        stop=0.0,
        generator=generator_of(SEED, 100 + budget),
        settings=Evolution(settings["generations"], settings["offspring"], stages),
        judged=settings["judged"],
        **more,
    )


def row(law: str, found: FoundSolver, on_nine: float, begin_on_nine: float) -> dict[str, Any]:
    """What is kept of a search."""
    places, steps = found.found.best
    errors = {"searched": found.fitness, "begin_searched": found.begin_fitness, "nine": on_nine, "begin_nine": begin_on_nine}
    return {
        "budget": found.budget,
        "law": law,
        "begin": found.begin,
        **{name: float(f"{value:.5g}") for name, value in errors.items()},
        "paid": found.evaluations,
        "places": list(places),
        "steps": [list(step) for step in steps],
    }


def compare(
    network: wb.Denoiser, law: wb.Denoiser, nine: torch.Tensor, pictures: torch.Tensor, budgets: tuple[int, ...],
    settings: dict[str, int], folder: Path | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """All searches, one row each."""
    rows, begun, schedule = [], time.process_time(), network.schedule
    noise = starts(schedule, settings["samples"], 1)
    known = {id(noise): None, id(nine): pictures}

    def truth(x: torch.Tensor) -> torch.Tensor:
        if known[id(x)] is None:
            known[id(x)] = wb.solve(network, x, wb.grids.log_snr(schedule, 60, stop=0.0), wb.solvers.UniPC()).x
        return known[id(x)]

    for budget in budgets:
        for name, model in (("network", network), ("gaussian", law)):
            kept = {"checkpoint": None if folder is None else folder / f"{name}-{budget}.pt"}
            own = {"truth": truth} if name == "network" else {}
            found = searched(model, budget, noise, nine, settings, **kept, **own)
            on_nine, begin_on_nine = found.held_out, found.begin_held_out
            if name == "gaussian":  # its own held-out error says nothing of the network
                space = wb.search.SolverSpace(schedule, budget, schedule.t_first, 0.0)
                judge = SolverJudge(network, nine, pictures, budget)
                first = next(iter(found.found.known))[0]
                on_nine, begin_on_nine = judge(found.solver, found.grid), judge(*space.decode(first))
            rows.append(row(name, found, on_nine, begin_on_nine))
            print(f"{time.process_time() - begun:6.0f} CPU s: {name}: {found}; nine {on_nine:.4g}", file=sys.stderr, flush=True)
    return rows


def shown(one: dict[str, Any]) -> dict[str, Any]:
    """A row without its solver."""
    return {name: value for name, value in one.items() if name not in ("places", "steps")}


def main() -> None:
    """Search, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="evaluations of a run")
    add_numbers(options, DEFAULTS)
    options.add_argument("--resume", type=Path, metavar="FOLDER", help="keep checkpoints there, and go on from them")
    options.add_argument("--artifact", action="store_true", help="also publish the solvers with the package")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    schedule = wb.schedules.VP()
    settings = {name: getattr(chosen, name) for name in DEFAULTS}
    rows = compare(
        wb.characters.network(schedule), wb.characters.cifar10(schedule, rank=64), wb.characters.nine(schedule),
        wb.characters.nine_pictures(schedule), tuple(chosen.budgets), settings, chosen.resume,
    )  # fmt: skip
    print(table([shown(one) for one in rows]))
    facts = {"rows": rows, "network_sha256": wb.artifacts.describe("cifar10-denoiser")["sha256"], "settings": settings}
    record("searched_solvers", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        budgets = " ".join(map(str, chosen.budgets))
        command = f"python -m benchmarks.searched_solvers --budgets {budgets} {told(chosen, DEFAULTS)} --artifact"
        publish_record("searched-solvers", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
