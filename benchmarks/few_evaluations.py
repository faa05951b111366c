"""Few evaluations: every solver of the book, alone and after a jump, beside the schedulers of diffusers, at 5, 6, 8, 10 and 15.

On the ring, ten Gaussians in 3072 dimensions, the Gaussian law of CIFAR-10, and the network of the book, all on DDPM's table of
noise levels, from the same noise to t = 0.  The error is the distance to the converged end from the same noise, root mean square: in
units of the data on the laws, in units of the pictures' contrast on the network.  A jump follows the flow of a Gaussian with the mean
and covariance of the data at no evaluation (``wb.gaussian.teleport``), and the solver takes over from there.

Grids, spacings and jumps are chosen on other noise than they are judged on.  On the network that is costly, so each method brings
only the grids that the laws recommend, and one jump for each budget is chosen, by a few leading solvers; solvers that agree on the
laws to rounding are run once.  Of the leading ones at each budget the Frechet distance is measured as well, on the features of our
own classifier (never to be confused with FID).

The default takes a quarter of an hour of one core.  The shipped table:
python -m benchmarks.few_evaluations --pictures 16 --choosing 4 --distance 256 --artifact
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.contest import Contest, Entrant, Line, Way, named, theirs, ways
from benchmarks.few_contests import ON, law_contests, network_contest
from benchmarks.few_distances import distance_rows, drawing, leading
from benchmarks.judging import Judge
from benchmarks.peers import label
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from benchmarks.searched_entrants import newcomers, recorded_costs, statistical
from benchmarks.teleport import SEED
from workbench.data.cifar import data_root

S = wb.solvers
BUDGETS = (5, 10, 8, 15, 6)  # the ones that matter most come first
JUMPS = (40.0, 20.0, 12.0, 8.0, 5.0, 3.0)  # sigma / alpha where the solver takes over
LEADERS: tuple[S.Solver, ...] = (
    S.UniPC(),
    S.UniPC(order=2),
    S.IPNDM(order=3),
    S.DEIS(variable="log_rho"),
    S.DPMSolverPP2M(),
)  # they choose the jump
SOLVERS = tuple(solver for solver in S.ALL if not solver.stochastic)
NUMBERS = {"pictures": 8, "choosing": 4, "distance": 0}
JUDGED_AT = (5, 10)  # budgets at which the Frechet distance is measured


def law_rows(contest: Contest, where: str, solvers: Iterable[S.Solver], budgets: Iterable[int], *, jump: bool) -> list[Line]:
    """For each budget every solver on its best grid, alone and with its best jump; and every scheduler of diffusers on its best."""
    lines = []
    for budget in budgets:
        for solver in solvers:
            picked = contest.best(ways(solver, budget, ON))
            picked += contest.best(jumping(contest, solver, budget, JUMPS)) if jump else []
            lines += [Line(contest, where, budget, entrant) for entrant in picked]
        for name, solver in statistical(contest.gaussian).items():
            picked = contest.best(named(name, ways(solver, budget, ON)))
            picked += contest.best(named(name, jumping(contest, solver, budget, JUMPS))) if jump else []
            lines += [Line(contest, where, budget, entrant) for entrant in picked]
        lines += [Line(contest, where, budget, e) for offered in theirs(budget).values() for e in contest.best(offered)]
        print(f"{where}, {budget} evaluations: done", file=sys.stderr, flush=True)
    return lines


def jumping(contest: Contest, solver: S.Solver, budget: int, jumps: Iterable[float]) -> list[Way]:
    """From each jump, the two grids that serve the solver best without one."""
    grids = [getattr(wb.grids, way.grid) for way in contest.best(ways(solver, budget, ON), most=2)]
    return list(ways(solver, budget, ON, jumps, grids))


def alike(contests: Iterable[Contest], solvers: Iterable[S.Solver]) -> dict[S.Solver, S.Solver]:
    """Each solver with the first one that has the same error on every grid at every budget."""
    found: dict[S.Solver, Tensor] = {}
    same = {}
    for solver in solvers:
        errors = [contest.error(way) for contest in contests for budget in BUDGETS for way in ways(solver, budget, ON)]
        values = torch.tensor(errors, dtype=torch.float64)
        twins = (s for s, v in found.items() if len(v) == len(values) and torch.allclose(v, values, rtol=1e-7, atol=0))
        same[solver] = next(twins, solver)
        found.setdefault(same[solver], values)
    return same


def recommended(known: dict[str, Contest], solver: S.Solver, budget: int, jump: float | None) -> list[Entrant]:
    """Grids for the network: the two best on the ten Gaussians and the best on the one; with a jump, the best of each."""
    ten, one = known["ten"], known["cifar10"]
    if jump is None:
        return advised(known, list(ways(solver, budget, ON)))
    picked = (contest.best(jumping(contest, solver, budget, (jump,))) for contest in (ten, one))
    return list(dict.fromkeys(way for few in picked for way in few))


def advised(known: dict[str, Contest], offered: list[Entrant]) -> list[Entrant]:
    """The two best on the ten Gaussians and the best on the one."""
    return list(dict.fromkeys(known["ten"].best(offered, most=2) + known["cifar10"].best(offered)))


def best_jump(network: Contest, known: dict[str, Contest], budget: int) -> float:
    """The jump after which the best of the leaders ends nearest, on the noise to choose on."""

    def nearest(jump: float) -> float:
        found = [way for solver in LEADERS for way in recommended(known, solver, budget, jump)[:1]]
        return min(map(network.error, found))

    return min(JUMPS, key=nearest)


def network_rows(
    network: Contest, known: dict[str, Contest], methods: list[S.Solver], budgets: Iterable[int], new: bool
) -> tuple[list[Line], list[dict[str, Any]]]:
    """The lines of the network, and what was paid for searches on the way; ``new`` lets those in that know the network."""
    lines, costs = [], []
    statistics = statistical(network.gaussian, of_network=True) if new else {}
    for budget in budgets:
        jump = best_jump(network, known, budget)
        offered = [advised(known, options) for options in theirs(budget).values()]
        offered += newcomers(network, budget, jump, JUMPS[1:5], statistics, costs) if new else []
        offered += [recommended(known, solver, budget, j) for solver in methods for j in (None, jump)]
        found = [Line(network, "network", budget, one) for options in offered for one in network.best(options)]
        lines += [line for line in found if line.told]  # measured now, so that an interruption leaves whole budgets
        print(f"network, {budget} evaluations: jump at {jump:g}", file=sys.stderr, flush=True)
    return lines, costs


def ratio(mine: Line, other: Line) -> tuple[float, float]:
    """The ratio of two errors on the same noise, and its standard error to first order."""
    a, b = (line.contest.squares(line.entrant) for line in (mine, other))
    value = float((a.mean() / b.mean()).sqrt())
    return value, value / 2 * float((a / a.mean() - b / b.mean()).std()) / len(a) ** 0.5


def goals(lines: list[Line]) -> list[dict[str, Any]]:
    """Where and at each budget the best of either side, and the ratio of their errors.

    Ours is the one that is best on the noise to choose on; theirs the one that turns out best on the noise to judge on, which favors
    them.
    """
    out = []
    for where, budget in sorted({(line.where, line.budget) for line in lines}):
        here = [line for line in lines if (line.where, line.budget) == (where, budget)]
        sides = [[line for line in here if line.told["by"] == side] for side in ("workbench", "diffusers")]
        mine = min(sides[0], key=lambda line: line.contest.error(line.entrant))
        other = min(sides[1], key=lambda line: line.told["error"])
        about = {
            f"{who} {key}": line.told[key]
            for who, line in (("our", mine), ("their", other))
            for key in ("method", "grid", "jump", "error")
        }
        out.append(
            {"where": where, "budget": budget, **about, **dict(zip(("ratio", "standard error"), ratio(mine, other), strict=True))}
        )
    return out


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as lists under one head."""
    names = list(rows[0]) if rows else []
    return {"columns": names, "rows": [[r[name] for name in names] for r in rows]}


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    add_numbers(options, NUMBERS)
    options.add_argument(
        "--keep", type=Path, default=data_root() / "few-evaluations", help="folder for rows (default: in the cache folder)"
    )
    options.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="evaluations of a run")
    options.add_argument("--known-only", action="store_true", help="without the solvers that know the network")
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    chosen = options.parse_args()
    judge = Judge.required(options, chosen.distance) if chosen.distance else None
    torch.set_num_threads(1)
    known = law_contests(chosen.keep)
    same = alike((known["ring"], known["cifar10"]), SOLVERS)
    methods = list(dict.fromkeys(same.values()))
    print(f"{len(same)} solvers are {len(methods)} methods", file=sys.stderr, flush=True)
    network, budgets = network_contest(chosen.choosing, chosen.pictures, chosen.keep), tuple(chosen.budgets)
    lines, costs = network_rows(network, known, methods, budgets, not chosen.known_only)
    for where, contest in known.items():
        lines += law_rows(contest, where, methods, budgets, jump=where != "cifar10")
    facts = {
        "network_sha256": wb.artifacts.describe("cifar10-denoiser")["sha256"],
        "same": {label(a): label(b) for a, b in same.items() if a != b},
        "costs": recorded_costs() + costs,
        **{name: getattr(chosen, name) for name in NUMBERS},
        "goals": goals(lines),
        **columns([line.told for line in lines]),
    }
    print(table(facts["goals"]))
    if judge:
        ranked = [(budget, one.entrant) for budget in JUDGED_AT if budget in budgets for one in leading(lines, budget)]
        ranked += [(budget, way) for budget in JUDGED_AT if budget in budgets for way in drawing(known, budget)]
        facts["distances"] = distance_rows(judge, network, ranked, chosen.distance)
        print(table(facts["distances"]))
    record("few_evaluations", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        spent = " ".join(map(str, budgets))
        command = f"python -m benchmarks.few_evaluations --budgets {spent} {told(chosen, NUMBERS)} --artifact"
        publish_record("few-evaluations", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
