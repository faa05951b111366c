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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks import laws
from benchmarks.accuracy import law_error
from benchmarks.contest import Contest, Entrant, Way, theirs, ways
from benchmarks.judging import Judge, root
from benchmarks.kept import Kept
from benchmarks.peers import label
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from benchmarks.searched_entrants import newcomers, statistical
from benchmarks.teleport import SEED, noise
from workbench.data.cifar import data_root

S = wb.solvers
ON = wb.schedules.DiscreteVP.linear()
BUDGETS = (5, 10, 8, 15, 6)  # the ones that matter most come first
JUMPS = (40.0, 20.0, 12.0, 8.0, 5.0, 3.0)  # sigma / alpha where the solver takes over
LEADERS = (S.UniPC(), S.UniPC(order=2), S.IPNDM(order=3), S.DEIS(variable="log_rho"), S.DPMSolverPP2M())  # they choose the jump
SOLVERS = tuple(solver for solver in S.ALL if not solver.stochastic)
OTHER, DISTANT = 1000, 3000  # the first seeds of the noise to choose on, and of that of the Frechet distance
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
        "ten": (few(laws.pictures(ON, first=OTHER), 3), laws.pictures(ON), one.law),
        "cifar10": (other, one, one.law),
    }
    return {name: Contest(*three, kept=Kept(folder, law=name)) for name, three in parts.items()}


def few(problem: laws.Problem, samples: int) -> laws.Problem:
    """The first samples of a problem."""
    return replace(problem, name=f"{samples} of {problem.name}", noise=lambda t: problem.noise(t)[:samples])


def network_problem(model: wb.Denoiser, count: int, first: int) -> laws.Problem:
    """The network from the noise of some seeds; its exact answer is a long run."""
    shape = wb.characters.cifar10(ON).shape

    def start(t: float) -> Tensor:
        return noise(ON, shape, count, first=first)

    return laws.Problem(f"{count} from {first}", model, start, partial(converged, model), math.prod(shape))


def converged(model: wb.Denoiser, x: Tensor, start: float, stop: float, steps: int = CONVERGED) -> Tensor:
    """Where the network's own flow ends."""
    return wb.solve(model, x, wb.grids.karras(ON, steps, start, stop), S.UniPC()).x


@dataclass(frozen=True, eq=False)
class Line:
    """One line of the table: who, at which budget, and where; ``told`` is what is recorded."""

    contest: Contest
    where: str
    budget: int
    entrant: Entrant

    @property
    def told(self) -> dict[str, Any]:
        """The error on the noise it is judged on, and its standard error."""
        spent, found = self.entrant.evaluations(ON), root(self.contest.squares(self.entrant))
        rounded = {name: float(f"{value:.4g}") for name, value in found.items()}
        return {"where": self.where, "budget": self.budget, **self.entrant.about, "evaluations": spent, **rounded}


def law_rows(contest: Contest, where: str, solvers: Iterable[S.Solver], *, jump: bool) -> list[Line]:
    """For each budget every solver on its best grid, alone and with its best jump; and every scheduler of diffusers on its best."""
    lines = []
    for budget in BUDGETS:
        for solver in solvers:
            picked = contest.best(ways(solver, budget, ON))
            picked += contest.best(jumping(contest, solver, budget, JUMPS)) if jump else []
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


def network_rows(
    network: Contest, known: dict[str, Contest], methods: list[S.Solver], new: bool
) -> tuple[list[Line], list[dict[str, Any]]]:
    """The lines of the network, and what was paid for searches on the way; ``new`` lets those in that know the network."""
    lines, costs = [], []
    statistics = statistical(network.gaussian) if new else {}
    for budget in BUDGETS:
        jump = best_jump(network, known, budget)
        offered = [recommended(known, solver, budget, j) for solver in methods for j in (None, jump)]
        offered += [advised(known, options) for options in theirs(budget).values()]
        offered += newcomers(network, budget, jump, statistics, costs) if new else []
        lines += [Line(network, "network", budget, one) for options in offered for one in network.best(options)]
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


def leading(lines: list[Line], budget: int) -> list[Line]:
    """At one budget on the network: our leading ones by the noise to choose on, DDIM, and the best of theirs; and by the law, of those that draw."""
    here = [line for line in lines if line.where == "network" and line.budget == budget]
    ours = sorted((line for line in here if line.told["by"] == "workbench"), key=lambda line: line.contest.error(line.entrant))
    plain = [line for line in ours[LEADING:] if line.told["method"] == "DDIM()" and line.told["jump"] is None]
    best = min((line for line in here if line.told["by"] == "diffusers"), key=lambda line: line.told["error"])
    return [*ours[:LEADING], *plain, best]


def drawing(known: dict[str, Contest], budget: int, most: int = 2) -> list[Way]:
    """The stochastic solvers whose law is nearest to the exact flow's, for the Gaussian law."""
    offered = [way for solver in S.ALL if solver.stochastic for way in ways(solver, budget, ON)]
    errors = [law_error(known["cifar10"].judged, way.solver, torch.tensor(way.times, dtype=torch.float64)) for way in offered]
    ranked = [offered[i] for i in torch.tensor(errors, dtype=torch.float64).argsort().tolist()]
    return list({type(way.solver): way for way in reversed(ranked)}.values())[::-1][:most]


def distance_rows(
    judge: Judge, network: Contest, entrants: list[tuple[int, Entrant]], count: int, batch: int = 32
) -> list[dict[str, Any]]:
    """The Frechet distance of each, and its difference to that of the first of diffusers at the same budget, on the same noise."""
    rows, features = [], []
    for budget, entrant in entrants:

        def make(entrant: Entrant = entrant) -> tuple[dict[str, Any], dict[str, Tensor]]:
            parts = [network_problem(network.judged.law, min(batch, count - k), DISTANT + k) for k in range(0, count, batch)]
            return {}, {"features": judge.features(torch.cat([entrant.ends(part, network.gaussian).float() for part in parts]))}

        key = {"features": entrant.about, "times": [float(f"{t:.9g}") for t in getattr(entrant, "times", ())], "budget": budget}
        features.append(network.kept.row(key | {"pictures": count, "first": DISTANT}, make)[1]["features"])
        rows.append({"budget": budget, **entrant.about, "pictures": count, **judge.distance(features[-1])})
    for one, mine in zip(rows, features, strict=True):
        other = next(f for r, f in zip(rows, features, strict=True) if (r["by"], r["budget"]) == ("diffusers", one["budget"]))
        one["above theirs"], one["standard error"] = wb.metrics.frechet_difference(mine, other, judge.reference)
    return rows


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
    options.add_argument("--known-only", action="store_true", help="without the solvers that know the network")
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    chosen = options.parse_args()
    judge = Judge.required(options, chosen.distance) if chosen.distance else None
    torch.set_num_threads(1)
    known = law_contests(chosen.keep)
    same = alike((known["ring"], known["cifar10"]), SOLVERS)
    methods = list(dict.fromkeys(same.values()))
    print(f"{len(same)} solvers are {len(methods)} methods", file=sys.stderr, flush=True)
    sha256 = wb.artifacts.describe("cifar10-denoiser")["sha256"]
    model = wb.characters.network(ON)
    problems = network_problem(model, chosen.choosing, OTHER), network_problem(model, chosen.pictures, SEED)
    network = Contest(*problems, wb.characters.cifar10(ON), contrast=True, kept=Kept(chosen.keep, network=sha256))
    lines, costs = network_rows(network, known, methods, not chosen.known_only)
    lines += [line for where, contest in known.items() for line in law_rows(contest, where, methods, jump=where != "cifar10")]
    facts = {
        "network_sha256": sha256,
        "same": {label(a): label(b) for a, b in same.items() if a != b},
        "costs": costs,
        **{name: getattr(chosen, name) for name in NUMBERS},
        "goals": goals(lines),
        **columns([line.told for line in lines]),
    }
    print(table(facts["goals"]))
    if judge:
        ranked = [(budget, one.entrant) for budget in JUDGED_AT for one in leading(lines, budget)]
        ranked += [(budget, way) for budget in JUDGED_AT for way in drawing(known, budget)]
        facts["distances"] = distance_rows(judge, network, ranked, chosen.distance)
        print(table(facts["distances"]))
    record("few_evaluations", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        command = f"python -m benchmarks.few_evaluations {told(chosen, NUMBERS)} --artifact"
        publish_record("few-evaluations", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
