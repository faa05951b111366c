"""Entrants that know the network: through statistics, a search or training.  Each is made again from what was recorded of it.

    DPM-Solver-v3    with the statistics of the Gaussian law of CIFAR-10 (free), and with the measured ones that are shipped
    grids            searched on the law or on the network, from the record ``searched-grids``
    solvers          searched in the framework, from the record ``searched-solvers``
    ratios           of DC-Solver, searched here on the noise that everybody may choose on

Records were made on ``VP()``; their times are carried to DDPM's table by log-SNR, which leaves every solver of the book as it is.
Where a record is not there, its entrants are missing.
"""

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.contest import Contest, Way, named, ways
from benchmarks.peers import label

S = wb.solvers
GRIDS_BEFORE_SEARCH = (wb.grids.karras, wb.grids.log_snr, wb.grids.cosine_angle)


def record_of(name: str) -> dict[str, Any] | None:
    """A recorded artifact, or None where it was not made; one of another network is no record of this one."""
    if name not in wb.artifacts.available():
        return None
    facts = wb.artifacts.load(name)
    same = facts.get("network_sha256") == wb.artifacts.describe("cifar10-denoiser")["sha256"]
    return facts if same else None


def carried(times: list[float], old: wb.schedules.Schedule, new: wb.schedules.Schedule) -> tuple[float, ...]:
    """Times of the same log-SNR on another schedule; the first and a last 0 are those of the new one."""
    inner = [new.inverse_log_snr(old.log_snr(t)) for t in times[1:] if t > 0]
    return (new.t_first, *inner, *([0.0] if times[-1] == 0 else []))


def solver_named(name: str) -> S.Solver:
    """The solver of ``ALL`` with this label."""
    return next(solver for solver in S.ALL if label(solver) == name)


def statistical(law: Any, of_network: bool = False) -> dict[str, S.Solver]:
    """DPM-Solver-v3 by name: with the statistics of a Gaussian law, and with those of the network where they are shipped."""
    statistics = {"the Gaussian law": S.ModelStatistics.of_gaussian(law)}
    if of_network and "cifar10-statistics" in wb.artifacts.available():
        statistics |= {f"the network's {name}": known for name, known in wb.artifacts.load("cifar10-statistics").items()}
    kinds: dict[str, dict[str, Any]] = {"": {}, ", order 2": {"order": 2}}
    return {
        f"DPMSolverV3(statistics of {whose}{kind})": S.DPMSolverV3(known, **settings)
        for whose, known in statistics.items()
        for kind, settings in kinds.items()
    }


def placed(budget: int, schedule: wb.schedules.Schedule) -> list[list[Way]]:
    """For every solver of ``searched-grids``: the grid searched on the law, and the one searched on the network."""
    facts, old = record_of("searched-grids"), wb.schedules.VP()
    rows = [row for row in facts["rows"] if row["evaluations"] == budget] if facts else []
    return [
        [Way(solver_named(row["solver"]), f"searched ({kind})", carried(row[place]["times"], old, schedule), name=f"{row['solver']} on a searched grid ({kind})")]
        for row in rows
        for kind, place in (("law", "law"), ("network", "searched"))
    ]  # fmt: skip


def assembled(budget: int, schedule: wb.schedules.Schedule) -> list[list[Way]]:
    """The solvers of ``searched-solvers``."""
    facts, old = record_of("searched-solvers"), wb.schedules.VP()
    out = []
    for row in facts["rows"] if facts else []:
        if row["budget"] == budget:
            space = wb.search.SolverSpace(old, budget, old.t_first, 0.0)
            solver, grid = space.decode((tuple(row["places"]), tuple(tuple(step) for step in row["steps"])))
            out.append(
                [Way(solver, "searched", carried(grid.tolist(), old, schedule), name=f"Unified(searched on the {row['law']})")]
            )
    return out


def compensated(contest: Contest, begin: Way) -> tuple[Way, dict[str, Any]]:
    """DC-Solver on the grid of a UniPC of order 2, with ratios searched on the noise to choose on; and what the search cost."""
    law, grid = contest.chosen.law, torch.tensor(begin.times, dtype=torch.float64)
    x = begin.begin(contest.chosen, contest.gaussian)

    def make() -> tuple[dict[str, Any], dict[str, Tensor]]:
        begun = time.process_time()
        half = len(x) // 2
        found = wb.search.compensation(law, grid, x[:half], held_out=x[half:], iterations=12)
        return {"ratios": list(found.ratios), "evaluations": found.evaluations, "seconds": time.process_time() - begun}, {}

    key = {"search": "compensation", "times": list(begin.times), "jump": begin.jump, "noise": contest.chosen.name}
    facts, _ = contest.kept.row(key, make)
    return replace(begin, solver=S.DCSolver(tuple(facts["ratios"])), name="DCSolver(searched ratios)"), facts


def newcomers(
    contest: Contest,
    budget: int,
    jump: float,
    jumps: tuple[float, ...],
    statistics: dict[str, S.Solver],
    costs: list[dict[str, Any]],
) -> list[list[Way]]:
    """Everything of this file at one budget, each with the grids among which it may choose; the costs of searches made here are added.

    DC-Solver starts where everybody does, at ``jump``; those with statistics may choose among ``jumps``.
    """
    schedule = contest.chosen.law.schedule
    offered = placed(budget, schedule) + assembled(budget, schedule)
    for name, solver in statistics.items():
        starts: tuple[tuple[float | None, ...], ...] = ((None,), jumps)
        offered += [named(name, ways(solver, budget, schedule, several, GRIDS_BEFORE_SEARCH)) for several in starts]
    for start in (None, jump):
        begin = contest.best(ways(S.UniPC(order=2), budget, schedule, (start,), GRIDS_BEFORE_SEARCH))[0]
        found, facts = compensated(contest, begin)
        offered.append([found])
        paid = {name: facts[name] for name in ("evaluations", "seconds")}
        costs.append({"of": "DCSolver(searched ratios)", "budget": budget, "jump": start, **paid})
    return offered


def recorded_costs() -> list[dict[str, Any]]:
    """What the shipped searches and estimates have cost: network evaluations of one picture, and CPU seconds where they are known."""
    rows = []
    grids, solvers = record_of("searched-grids"), record_of("searched-solvers")
    for row in grids["rows"] if grids else []:
        rows.append(
            {"of": f"{row['solver']} on a searched grid (network)", "budget": row["evaluations"], "evaluations": row["paid"]}
        )
    for row in solvers["rows"] if solvers else []:
        rows.append({"of": f"Unified(searched on the {row['law']})", "budget": row["budget"], "evaluations": row["paid"]})
    if "cifar10-statistics" in wb.artifacts.available():
        paid = next(iter(wb.artifacts.load("cifar10-statistics").values())).evaluations
        rows.append({"of": "statistics of the network", "budget": None, "evaluations": paid})
    return [{"jump": None, "seconds": None, **row} for row in rows]
