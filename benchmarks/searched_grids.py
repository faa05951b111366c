"""Searched grids for the network of the book, at few evaluations: what a search gives, what it costs, and what is left of it on fresh noise.

For every solver and number of evaluations, all from pure noise to 0 on ``VP()``:

* usual: the best of ``wb.grids.ALL`` on the noise of the search;
* law: searched on the Gaussian law of CIFAR-10, in all its directions at once; the network is not asked;
* path: dynamic programming on one teacher's path of the network, errors carried by the Gaussian law;
* searched: the best of these, refined on the network.

Errors are relative to the contrast of the converged pictures from the same noise.  Each row is kept in the
folder ``--kept`` as soon as it is known, and not measured again.  About fifteen minutes of one core: ``python -m benchmarks.searched_grids --kept FOLDER --artifact``.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

import workbench as wb
from benchmarks.bits_of_layers import digits
from benchmarks.kept import Kept
from benchmarks.peers import label
from benchmarks.record import add_numbers, parser, publish_record, record, table, told

SEED = 0
DEFAULTS = {"pictures": 4, "held": 8, "candidates": 60, "generations": 30, "law_generations": 80}
BUDGETS = (5, 10, 8, 6, 15)
SOLVERS = (wb.solvers.UniPC(order=3), wb.solvers.UniPC(order=2), wb.solvers.DPMSolverPP2M())


def noise(model: wb.Denoiser, law: Any, first: int, count: int) -> torch.Tensor:
    """Starts from the seeds first, first + 1, ...: others than those of the nine, and others for the held-out ones."""
    seeds = [torch.Generator().manual_seed(first + k) for k in range(count)]
    return model.schedule.prior((count, *law.shape), model.schedule.t_first, generator=seeds, dtype=torch.float32)


def searched(
    model: wb.Denoiser,
    law: Any,
    seen: Any,
    unseen: Any,
    costs: torch.Tensor,
    solver: wb.solvers.Solver,
    n: int,
    settings: dict[str, int],
) -> dict[str, Any]:
    """The row of one solver and one number of evaluations."""
    begun, search, rng = time.process_time(), wb.search, torch.Generator().manual_seed(SEED)
    about = {"noise": seen, "held_out": unseen, "stop": 0.0}
    judges = [search.Judge(model, solver, path.states[0], path.states[-1]) for path in (seen, unseen)]
    grids: dict[str, Any] = {
        "usual": min((place(model.schedule, n, stop=0.0) for place in wb.grids.ALL), key=lambda g: judges[0](g.tolist()))
    }
    directions, start = search.all_directions(law)
    free = search.Refining(settings["law_generations"], 2)
    grids["law"] = search.grid(directions, solver, n, method=free, noise=start, held_out=start, stop=0.0, generator=rng)
    grids["path"] = [seen.times[k] for k in search.cheapest_path(costs, n)]
    errors = {name: judges[0](list(map(float, grid))) for name, grid in grids.items()}
    begin = list(map(float, grids[min(errors, key=errors.__getitem__)]))
    fine = search.Refining(settings["generations"], 1, begin=begin)
    grids["searched"] = search.grid(model, solver, n, method=fine, generator=rng, **about)
    rows, paid = {}, judges[0].paid + grids["searched"].evaluations - grids["searched"].judging
    for name, grid in grids.items():
        times = list(map(float, grid))
        rows[name] = {"times": times, "seen": digits(judges[0](times)), "held": digits(judges[1](times))}
    return {
        "solver": label(solver), "evaluations": n, "began": min(errors, key=errors.__getitem__), "paid": paid,
        "seconds": round(time.process_time() - begun), "history": [digits(one) for one in grids["searched"].history], **rows,
    }  # fmt: skip


def measure(
    model: wb.Denoiser,
    law: Any,
    settings: dict[str, int],
    kept: Kept,
    budgets: Sequence[int] = BUDGETS,
    solvers: Sequence[wb.solvers.Solver] = SOLVERS,
) -> dict[str, Any]:
    """Everything that is recorded; each row is kept as soon as it is known."""
    schedule = model.schedule
    times = wb.grids.karras(schedule, settings["candidates"], stop=0.0)
    seen, unseen = (
        wb.search.teach(model, noise(model, law, first, count), times, wb.solvers.UniPC())
        for first, count in ((100, settings["pictures"]), (200, settings["held"]))
    )
    costs = wb.search.DynamicProgramming(carry=law).costs(seen, schedule)
    rows = []
    for n in budgets:
        for solver in solvers:
            make = partial(searched, model, law, seen, unseen, costs, solver, n, settings)
            row, _ = kept.row(settings | {"solver": label(solver), "evaluations": n}, lambda make=make: (make(), {}))
            rows.append(row)
    taught = settings["candidates"] * settings["pictures"]
    return settings | {"schedule": "VP()", "rows": rows, "taught": taught}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row on one line: held-out errors."""
    held = {name: row[name]["held"] for name in ("usual", "law", "path", "searched")}
    return {"solver": row["solver"], "evaluations": row["evaluations"], **held, "began": row["began"], "paid": row["paid"]}


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    add_numbers(options, DEFAULTS)
    options.add_argument("--kept", type=Path, default=Path("runs/searched-grids"), help="folder for the rows that are done")
    options.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="numbers of evaluations")
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    chosen = options.parse_args()
    if min(getattr(chosen, name) for name in DEFAULTS) < 1 or chosen.candidates < max(chosen.budgets):
        options.error(f"needs at least one picture, one held-out one, one generation, and {max(chosen.budgets)} candidates")
    torch.set_num_threads(1)
    settings = {name: getattr(chosen, name) for name in DEFAULTS}
    schedule = wb.schedules.VP()
    sha256 = wb.artifacts.describe("cifar10-denoiser")["sha256"]
    kept = Kept(chosen.kept, network=sha256)
    facts = measure(wb.characters.network(schedule), wb.characters.cifar10(schedule), settings, kept, chosen.budgets)
    facts |= {"network": "cifar10-denoiser", "network_sha256": sha256}
    print(table([shown(row) for row in facts["rows"]]))
    record("searched_grids", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        budgets = " ".join(map(str, chosen.budgets))
        command = f"python -m benchmarks.searched_grids --budgets {budgets} {told(chosen, DEFAULTS)} --artifact"
        publish_record("searched-grids", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
