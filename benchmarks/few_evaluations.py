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
python -m benchmarks.few_evaluations --pictures 24 --choosing 8 --distance 256 --artifact
"""

import math
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks import laws
from benchmarks.contest import Contest, Entrant, Way, theirs, ways
from benchmarks.judging import root
from benchmarks.kept import Kept
from benchmarks.peers import label
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from benchmarks.teleport import SEED, noise
from workbench.data.cifar import data_root

S = wb.solvers
ON = wb.schedules.DiscreteVP.linear()
BUDGETS = (5, 6, 8, 10, 15)
JUMPS = (40.0, 20.0, 12.0, 8.0, 5.0, 3.0)  # sigma / alpha where the solver takes over
LEADERS = (S.UniPC(), S.UniPC(order=2), S.IPNDM(order=3), S.DEIS(variable="log_rho"), S.DPMSolverPP2M())  # they choose the jump
SOLVERS = tuple(solver for solver in S.ALL if not solver.stochastic)
OTHER = 1000  # the first seed of the noise to choose on
NUMBERS = {"pictures": 8, "choosing": 4, "distance": 0}
CONVERGED = 100  # steps of UniPC
LEADING, JUDGED_AT = 12, (5, 10)


def law_contests(folder: Path) -> dict[str, Contest]:
    """The laws; the Gaussian for the jump has the moments of the ring, or those of CIFAR-10."""
    toy = wb.data.toys.ring
    between = torch.einsum("k,ki,kj->ij", toy.weights, toy.means, toy.means)
    mean = toy.weights @ toy.means
    covariance = torch.einsum("k,kij->ij", toy.weights, toy.covariances) + between - torch.outer(mean, mean)
    round_ring = wb.gaussian.GaussianDenoiser(mean, covariance, ON)
    one, other = laws.cifar10(ON), laws.cifar10(ON, first=OTHER)
    parts = {
        "ring": (laws.ring(ON, seed=1), laws.ring(ON), round_ring),
        "ten": (laws.pictures(ON, first=OTHER), laws.pictures(ON), one.law),
        "cifar10": (other, one, one.law),
    }
    return {name: Contest(*three, kept=Kept(folder, law=name)) for name, three in parts.items()}


def network_problem(model: wb.Denoiser, count: int, first: int) -> laws.Problem:
    """The network from the noise of some seeds; its exact answer is a long run."""
    shape = wb.characters.cifar10(ON).shape

    def start(t: float) -> Tensor:
        return noise(ON, shape, count, first=first)

    return laws.Problem(f"{count} from {first}", model, start, partial(converged, model), math.prod(shape))


def converged(model: wb.Denoiser, x: Tensor, start: float, stop: float, steps: int = CONVERGED) -> Tensor:
    """Where the network's own flow ends."""
    return wb.solve(model, x, wb.grids.karras(ON, steps, start, stop), S.UniPC()).x


def row(contest: Contest, where: str, budget: int, entrant: Entrant) -> dict[str, Any]:
    """What the table says of an entrant: its error on the noise it is judged on."""
    spent = entrant.evaluations(ON)
    return {"where": where, "budget": budget, **entrant.about, "evaluations": spent, **root(contest.squares(entrant))}


def law_rows(contest: Contest, where: str, solvers: Iterable[S.Solver], *, jump: bool) -> list[dict[str, Any]]:
    """For each budget every solver on its best grid, alone and with its best jump; and every scheduler of diffusers on its best."""
    rows = []
    for budget in BUDGETS:
        for solver in solvers:
            picked = contest.best(ways(solver, budget, ON))
            picked += contest.best(jumping(contest, solver, budget, JUMPS)) if jump else []
            rows += [row(contest, where, budget, entrant) for entrant in picked]
        rows += [row(contest, where, budget, e) for offered in theirs(budget).values() for e in contest.best(offered)]
        print(f"{where}, {budget} evaluations: done", file=sys.stderr, flush=True)
    return rows


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
    return list(dict.fromkeys(sum(picked, [])))


def advised(known: dict[str, Contest], offered: list[Entrant]) -> list[Entrant]:
    """The two best on the ten Gaussians and the best on the one."""
    return list(dict.fromkeys(known["ten"].best(offered, most=2) + known["cifar10"].best(offered)))


def best_jump(network: Contest, known: dict[str, Contest], budget: int) -> float:
    """The jump after which the best of the leaders ends nearest, on the noise to choose on."""

    def nearest(jump: float) -> float:
        found = [way for solver in LEADERS for way in recommended(known, solver, budget, jump)[:1]]
        return min(map(network.error, found))

    return min(JUMPS, key=nearest)


def network_rows(network: Contest, known: dict[str, Contest], methods: list[S.Solver]) -> tuple[list[dict], dict]:
    """The rows of the network, and their entrants by (by, method, jumped, budget)."""
    rows, entrants = [], {}
    for budget in BUDGETS:
        jump = best_jump(network, known, budget)
        offered = [recommended(known, solver, budget, j) for solver in methods for j in (None, jump)]
        offered += [advised(known, options) for options in theirs(budget).values()]
        for entrant in (one for options in offered for one in network.best(options)):
            rows.append(row(network, "network", budget, entrant))
            entrants[key_of(rows[-1])] = entrant
        print(f"network, {budget} evaluations: jump at {jump:g}", file=sys.stderr, flush=True)
    return rows, entrants


def key_of(row: dict[str, Any]) -> tuple:
    """What tells rows of one table apart."""
    return row["by"], row["method"], row["jump"] is not None, row["budget"]


def best_of(rows: list[dict[str, Any]], by: str, budget: int) -> dict[str, Any]:
    """The smallest judged error of one side at one budget."""
    return min((r for r in rows if r["by"] == by and r["budget"] == budget), key=lambda r: r["error"])


def goals(rows: list[dict[str, Any]], contests: dict[str, Contest], entrants: dict) -> list[dict[str, Any]]:
    """Where and at each budget: the best of both sides, and the ratio of their errors."""
    out = []
    for where in dict.fromkeys(r["where"] for r in rows):
        for budget in BUDGETS:
            here = [r for r in rows if r["where"] == where]
            mine, other = best_of(here, "workbench", budget), best_of(here, "diffusers", budget)
            about = {
                f"{who} {key}": r[key]
                for who, r in (("ours", mine), ("theirs", other))
                for key in ("method", "grid", "jump", "error")
            }
            out.append({"where": where, "budget": budget, **about, "ratio": mine["error"] / other["error"]})
    return out


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    add_numbers(options, NUMBERS)
    options.add_argument(
        "--keep", type=Path, default=data_root() / "few-evaluations", help="folder for rows (default: in the cache folder)"
    )
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    known = law_contests(chosen.keep)
    same = alike((known["ring"], known["cifar10"]), SOLVERS)
    methods = list(dict.fromkeys(same.values()))
    print(f"{len(same)} solvers are {len(methods)} methods", file=sys.stderr, flush=True)
    rows = [r for where, contest in known.items() for r in law_rows(contest, where, methods, jump=where != "cifar10")]
    sha256 = wb.artifacts.describe("cifar10-denoiser")["sha256"]
    model = wb.characters.network(ON)
    problems = network_problem(model, chosen.choosing, OTHER), network_problem(model, chosen.pictures, SEED)
    network = Contest(*problems, wb.characters.cifar10(ON), contrast=True, kept=Kept(chosen.keep, network=sha256))
    found, entrants = network_rows(network, known, methods)
    rows += found
    print(table(goals(rows, known | {"network": network}, entrants)))
    facts = {"rows": rows, "same": {label(a): label(b) for a, b in same.items() if a != b}}
    record("few_evaluations", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        command = f"python -m benchmarks.few_evaluations {told(chosen, NUMBERS)} --artifact"
        publish_record("few-evaluations", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
