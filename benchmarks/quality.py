"""How good are the pictures?  Four tables of the networks of the book.

    solvers    methods, each on the grid on which the table ``solver-accuracy`` has its smallest error for the Gaussian law of CIFAR-10
               on VE, at several numbers of evaluations, all from the same noise; and for each two of them at one number the
               difference, with the standard error of a pair
    guidance   scales of classifier-free guidance, all classes equally often
    training   the shipped network and its earlier states
    networks   every network of the package with and without classes, the Gaussian law, the mixture of ten of them, held-out images;
               and what each costs

A distance is the Frechet distance on the features of our own classifier to the training images, corrected for its bias of first order
(never to be confused with FID).  The error is the distance to the converged pictures from the same noise, root mean square, in units of
the pictures' standard deviation.  About forty minutes of one core; rows are kept on the disk, so that an interrupted run goes on where
it was, and a later one adds what is new:  python -m benchmarks.quality --artifact
"""

import itertools
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.judging import Judge
from benchmarks.kept import Kept
from benchmarks.making import VE, Bench, Model, Way
from benchmarks.record import parser, publish_record, record, seconds, table
from benchmarks.teleport import SEED
from workbench.artifacts import AccuracyTable
from workbench.artifacts.manifest import add_measured
from workbench.data.cifar import data_root

S = wb.solvers
METHODS = (S.DDIM(), S.Heun(), S.DPMSolverPP2M(), S.UniPC(), S.DEIS(variable="log_rho"), S.IPNDM(order=3))
BUDGETS = (5, 10, 20)
LONG = 35
SCALES = (1.0, 1.5, 2.0, 3.0, 5.0)
USUAL = Way(S.DPMSolverPP2M(), "karras", 15)  # wherever solvers are not the question
CONVERGED = Way(S.UniPC(), "karras", 60)
LAW = "CIFAR-10 Gaussian"
TABLES = ("solvers", "differences", "guidance", "training", "networks", "costs")


def recommended(known: AccuracyTable, solver: S.Solver, budget: int) -> tuple[Way, float | None]:
    """The grid of the method's smallest error at this budget, or the largest smaller one on record; and that error, of this budget."""
    name, at = Way(solver, "", budget).about["solver"], max(b for b in known.budgets if b <= budget)
    errors = known.errors(LAW, "VE")[known.methods.index(name), :, known.budgets.index(at)]
    way = Way(solver, known.grids[int(errors.argmin())], budget)
    return way, float(errors.min()) if at == budget else None


def solver_rows(
    bench: Bench, model: Model, known: AccuracyTable, asked: list[tuple[S.Solver, int]], images: int, converged: Way
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One row for each method and budget, and one for each two methods of one budget."""
    reference = bench.made(model, converged, min(bench.compared, images))[1]["first"]
    contrast = (reference - reference.mean()).square().mean().sqrt()
    rows, features, errors = [], [], []
    for solver, budget in asked:
        way, law = recommended(known, solver, budget)
        facts, tensors = bench.made(model, way, images)
        squares = (tensors["first"][: len(reference)] - reference).div(contrast).double().square().flatten(1).mean(1)
        error = float(squares.mean().sqrt())
        spread = {"error": error, "error_standard_error": float(squares.std()) / len(squares) ** 0.5 / (2 * error)}
        features.append(tensors["features"])
        errors.append(squares.sqrt())
        rows.append({**way.about, **facts, **bench.row(features[-1], None), **spread, "law_error": law})
    pairs = [(i, j) for i, j in itertools.combinations(range(len(rows)), 2) if rows[i]["budget"] == rows[j]["budget"]]
    return rows, [
        {
            "budget": rows[i]["budget"],
            "a": rows[i]["solver"],
            "b": rows[j]["solver"],
            **named("frechet", wb.metrics.frechet_difference(features[i], features[j], bench.judge.reference)),
            **named("error", wb.metrics.paired_difference(errors[i], errors[j])),
        }
        for i, j in pairs
    ]


def named(what: str, estimate: tuple[float, float]) -> dict[str, float]:
    """A value and its standard error under their names."""
    return {what: estimate[0], f"{what}_standard_error": estimate[1]}


def guidance_rows(bench: Bench, model: Model, scales: tuple[float, ...], images: int, way: Way) -> list[dict[str, Any]]:
    """One row for each scale, with the paired difference of its distance to that of the first."""
    rows, labels, first = [], bench.labels(images), None
    for scale in scales:
        facts, tensors = bench.made(model, way, images, scale)
        features = tensors["features"]
        first = features if first is None else first
        more = named("above_first", wb.metrics.frechet_difference(features, first, bench.judge.reference))
        rows.append({"scale": scale, **way.about, **facts, **bench.row(features, labels), **more})
    return rows


def training_rows(bench: Bench, states: dict[int, Model], images: int, way: Way) -> list[dict[str, Any]]:
    """One row for each state, by the number of images it had seen."""
    made = {seen: bench.made(state, way, images) for seen, state in states.items()}
    return [{"seen": seen, **way.about, **facts, **bench.row(found["features"], None)} for seen, (facts, found) in made.items()]


def network_rows(
    bench: Bench, networks: dict[str, Model], laws: dict[str, Any], images: int, few: int, way: Way
) -> list[dict[str, Any]]:
    """Two rows for each network, without and with classes (``few`` pictures), and one for each law."""
    rows = []
    for name, model in networks.items():
        for count, scale in ((images, None), (few, 1.0)):
            facts, found = bench.made(model, way, count, scale)
            labels = None if scale is None else bench.labels(count)
            rows.append({"name": name, "classes": scale is not None, **way.about, **facts, **bench.row(found["features"], labels)})
    for name, (law, told, sha256, _) in laws.items():
        labels = bench.labels(images) if told else None
        facts, found = bench.drawn(law.given(labels) if told else law, images, sha256)
        rows.append({"name": name, "classes": told, **facts, **bench.row(found["features"], labels)})
    return rows


def held_out_row() -> dict[str, Any]:
    """The test images against the training images, from their statistics alone; the correction takes features for Gaussian."""
    one, other = (wb.artifacts.load("cifar10-features")[name] for name in ("test", "train"))
    plain = wb.metrics.frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
    value = plain - wb.metrics.frechet_bias(one.covariance, other.covariance) / one.count
    right = wb.artifacts.describe("cifar10-classifier")["measured"]["accuracy"]["test"]
    return {"name": "held-out images", "classes": True, "images": one.count, "frechet": value, "plain": plain, "accuracy": right}


def cost_rows(networks: dict[str, Model], laws: dict[str, Any], first: Tensor) -> list[dict[str, Any]]:
    """Bytes, parameters, held-out errors as the manifest states them; milliseconds for a picture and evaluation, and their ratio.

    The ratio is to the first law, asked in the same run.  A law with classes is asked for all of them together.
    """
    rows, x = [], 2.0 * first
    asked = {name: (law, {"bytes": size}) for name, (law, _, _, size) in laws.items()}
    for name, model in networks.items():
        entry = wb.artifacts.describe(name)
        said = {key: entry["measured"][key] for key in ("parameters", "sigma", "error", "gaussian_error")}
        asked[name] = model.denoiser.on(VE), {"bytes": entry["bytes"], **said}
    with torch.no_grad():
        for name, (model, said) in asked.items():
            spent = 1000 * seconds(lambda model=model: model.data(x, 2.0), repeats=5) / len(x)
            ratio = spent / (rows[0]["milliseconds"] if rows else spent)
            rows.append({"name": name, "milliseconds": spent, "ratio": ratio, **said})
    return rows


def shipped() -> tuple[dict[str, Model], dict[int, Model], dict[str, Any]]:
    """The networks at hand by name, the states of the first by images seen, and the laws: whether they know classes, hash, bytes."""
    about = {name: wb.artifacts.describe(name) for name in wb.artifacts.available()}
    networks = {n: Model(wb.artifacts.load(n), entry["sha256"]) for n, entry in about.items() if entry["kind"] == "denoiser"}
    past = "cifar10-denoiser-history"
    states = {seen: Model(state, f"{about[past]['sha256']} after {seen}") for seen, state in wb.artifacts.load(past).items()}
    states[about["cifar10-denoiser"]["measured"]["images"]] = networks["cifar10-denoiser"]
    one, ten = about["cifar10-moments"], about["cifar10-classes"]
    laws = {
        "Gaussian law": (wb.characters.cifar10(VE), False, one["sha256"], one["bytes"]),
        "ten Gaussians": (wb.characters.classes(VE), True, one["sha256"] + ten["sha256"], one["bytes"] + ten["bytes"]),
    }
    return networks, states, laws


def distances(facts: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What the manifest is to say of a network's distance: its rows of the table ``networks``, and how the pictures were made."""
    keys = ("classes", "solver", "grid", "evaluations", "images", "frechet", "frechet_standard_error", "accuracy")
    return [{key: row[key] for key in keys if key in row} for row in facts["networks"] if row["name"] == name]


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=1000, help="pictures of a row (default 1000)")
    options.add_argument("--guided", type=int, default=600, help="pictures of a row with classes (default 600)")
    options.add_argument("--batch", type=int, default=50, help="pictures at a time (default 50)")
    options.add_argument(
        "--keep", type=Path, default=data_root() / "quality", help="folder for rows (default: in the cache folder)"
    )
    options.add_argument("--artifact", action="store_true", help="also publish the tables with the package")
    chosen = options.parse_args()
    judge = Judge.shipped()
    if judge is None or not (judge.enough(chosen.images) and judge.enough(chosen.guided)):
        options.error("needs the classifier, its features, and at least twice as many pictures as it has features")
    torch.set_num_threads(1)
    networks, states, laws = shipped()
    name = "cifar10-denoiser"
    about = {one: wb.artifacts.describe(one) for one in ("cifar10-classifier", name)}
    bench = Bench(judge, Kept(chosen.keep, classifier=about["cifar10-classifier"]["sha256"]), chosen.batch)
    known = AccuracyTable(wb.artifacts.load("solver-accuracy"))
    asked = [(solver, budget) for budget in BUDGETS for solver in METHODS] + [(solver, LONG) for solver in METHODS[:2]]
    solvers, differences = solver_rows(bench, networks[name], known, asked, chosen.images, CONVERGED)
    facts = {
        "network": about[name]["measured"].get("words", ""),
        "network_sha256": about[name]["sha256"],
        "distance": "Frechet distance on the features of cifar10-classifier to those of its training images; not an FID",
        "training_images": wb.artifacts.describe("cifar10-features")["source"],
        "total_variance": float(judge.reference.covariance.trace()),
        "reference": {**CONVERGED.about, "images": bench.compared},
        "solvers": solvers,
        "differences": differences,
        "guidance": guidance_rows(bench, networks[name], SCALES, chosen.guided, USUAL),
        "training": training_rows(bench, states, chosen.images, USUAL),
        "networks": [*network_rows(bench, networks, laws, chosen.images, chosen.guided, USUAL), held_out_row()],
    }
    facts["costs"] = cost_rows(networks, laws, bench.made(networks[name], CONVERGED, bench.compared)[1]["first"][: chosen.batch])
    for what in TABLES:
        columns = dict.fromkeys(key for row in facts[what] for key, value in row.items() if not isinstance(value, list))
        print(f"\n{what}\n{table([{key: row.get(key, '') for key in columns} for row in facts[what]])}")
    numbers = [value for what in TABLES for row in facts[what] for value in row.values() if isinstance(value, float)]
    if not all(map(math.isfinite, numbers)):
        sys.exit("some numbers are not finite; nothing was written")
    record("quality", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        command = f"python -m benchmarks.quality --images {chosen.images} --guided {chosen.guided} --artifact"
        publish_record("quality", facts, source="own-network", command=command, seed=SEED)
        for one in networks:
            add_measured(one, wb.artifacts.folder_of(one), distance=distances(facts, one))


if __name__ == "__main__":
    main()
