"""How good are the pictures of the rectified flow?  Its pairs' teacher, its start and itself at 1, 2, 4, 8 calls of a network.

    flow       ``cifar10-flow`` by Euler's method in t
    affine     its affine base alone, one evaluation of no network
    start      the denoiser that it started from as a flow, by exact change of schedule: what rectification improves
    teacher    the guided denoiser, by the best solver of the first part (2M, after a Gaussian jump over the first steps), two calls
               an evaluation; and the same without guidance, one call an evaluation.  Their grids end at the last time of training,
               so that no call is spent on noise that nobody sees; at the calls that the pairs were made with, the grid is theirs

The noise follows that of the pairs, so the flow has never seen it.  Beside the Frechet distance on the features of our classifier
(corrected, never to be called FID) and the share of pictures that it takes for the class asked for, there is the distance to where the
teacher ends from the same noise: root mean square, in units of the pictures' standard deviation.  Rows are kept on the disk.  About
twenty minutes of one core:
python -m benchmarks.reflow_cifar10 --pairs PAIRS --artifact
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.judging import Judge, root, squares
from benchmarks.kept import Kept
from benchmarks.record import parser, publish_record, record, table
from workbench.artifacts.manifest import add_measured
from workbench.data.cifar import data_root
from workbench.reflow import StoredPairs

RF, VE = wb.schedules.Rectified(), wb.schedules.VE()
CALLS = (1, 2, 4, 8)
Draw = Callable[[Tensor, Tensor | None], Tensor]


def euler(flow: wb.Denoiser, steps: int) -> Draw:
    """``steps`` Euler steps in t, from 1 to 0."""
    grid = wb.grids.uniform(RF, steps, start=1.0, stop=0.0)

    def draw(noise: Tensor, labels: Tensor | None) -> Tensor:
        asked = flow if labels is None else flow.given(labels)
        return wb.solve(asked, noise, grid, wb.solvers.Euler(variable="t")).x

    return draw


def jumped(net: Any, evaluations: int, jump: float, scale: float, stop: float = VE.t_last) -> Draw:
    """The denoiser after a Gaussian jump to ``jump``: 2M on a Karras grid from there to ``stop``; guided where ``scale`` is not 1."""
    times = [jump, 0.0] if evaluations == 1 else wb.grids.karras(VE, evaluations, start=jump, stop=stop)

    def draw(noise: Tensor, labels: Tensor | None) -> Tensor:
        asked = net if labels is None else net.given(labels)
        asked = asked if scale == 1 else wb.Guided(asked, net, scale)
        start = wb.gaussian.teleport(net.law, VE.t_first * noise, VE.t_first, jump)
        return wb.solve(asked, start, times, wb.solvers.DPMSolverPP2M()).x

    return draw


def ways(flow: Any, net: Any, teacher: dict[str, Any], calls: tuple[int, ...]) -> dict[tuple[str, int], Draw]:
    """What is compared, by name and calls of a network for each picture."""
    found: dict[tuple[str, int], Draw] = {("affine", 0): lambda noise, labels: noise - flow.law.velocity(noise, 1.0)}
    for k in calls:
        found["flow", k] = euler(flow, k)
        found["start", k] = euler(net.on(RF), k)
        found["denoiser after a jump", k] = jumped(net, k, teacher["jump"], 1.0)
        if k > 1:
            found["teacher", k] = jumped(net, k // 2, teacher["jump"], teacher["guidance"])
    pairs = jumped(net, teacher["steps"], teacher["jump"], teacher["guidance"], stop=0.0)
    return found | {("teacher", 2 * teacher["steps"]): pairs}


def rows(
    pairs: StoredPairs, drawn: dict[tuple[str, int], Draw], judge: Judge, kept: Kept, images: int, batch: int = 50
) -> list[dict[str, Any]]:
    """One row for each way; the last of them is the teacher, as it made the pairs."""
    which = torch.arange(len(pairs), len(pairs) + images)
    labels = None if pairs.labels is None else which % (int(pairs.labels.max()) + 1)

    def make(draw: Draw, ends: Tensor | None) -> tuple[dict, dict[str, Tensor]]:
        parts = []
        for low in range(0, images, batch):
            asked = None if labels is None else labels[low : low + batch]
            with torch.no_grad():
                parts.append(draw(pairs.noise(which[low : low + batch]), asked))
        x = torch.cat(parts)
        off = {"ends": x} if ends is None else {"squares": squares(x, ends)}
        return {}, {"features": judge.features(x), **off}

    def row(way: tuple[str, int], ends: Tensor | None) -> tuple[dict[str, Any], dict[str, Tensor]]:
        _, tensors = kept.row({"way": way[0], "calls": way[1], "images": images}, lambda: make(drawn[way], ends))
        told = {} if labels is None else judge.accuracy(tensors["features"], labels)
        return {"way": way[0], "calls": way[1], **judge.distance(tensors["features"]), **told}, tensors

    *others, last = drawn
    teacher, tensors = row(last, None)
    found = []
    for way in others:
        facts, own = row(way, tensors["ends"])
        found.append(facts | root(own["squares"]))
    return [*found, teacher | {"error": 0.0, "error_standard_error": 0.0}]


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--pairs", type=Path, required=True, help="folder of python -m workbench.reflow.make_pairs")
    options.add_argument("--images", type=int, default=1000, help="pictures a row (default 1000)")
    options.add_argument("--calls", type=int, nargs="+", default=CALLS, help="calls of a network (default 1 2 4 8)")
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    o = options.parse_args()
    judge = Judge.required(options, o.images)
    torch.set_num_threads(1)
    net, flow = wb.characters.network(VE), wb.artifacts.load("cifar10-flow")
    hashes = {name: wb.artifacts.describe(name)["sha256"] for name in ("cifar10-denoiser", "cifar10-flow")}
    pairs = StoredPairs.open(o.pairs)
    if pairs.about.get("network") != hashes["cifar10-denoiser"]:
        options.error("these pairs were made by another network than cifar10-denoiser; make them again")
    kept = Kept(data_root() / "reflow-cifar10", **hashes, pairs=pairs.about, seed=pairs.seed)
    found = rows(pairs, ways(flow, net, pairs.about, tuple(o.calls)), judge, kept, o.images)
    print(
        table(
            [
                {key: row.get(key) for key in ("way", "calls", "frechet", "frechet_standard_error", "accuracy", "error")}
                for row in found
            ]
        )
    )
    facts = {
        "distance": "Frechet distance on the features of cifar10-classifier to those of its training images; not an FID",
        **{f"{name}_sha256": value for name, value in hashes.items()},
        "teacher": pairs.about,
        "images": o.images,
        "rows": found,
    }
    record("reflow_cifar10", facts, o.json, seed=pairs.seed)
    if o.artifact:
        command = f"python -m benchmarks.reflow_cifar10 --pairs PAIRS --images {o.images} --artifact"
        publish_record("reflow-cifar10", facts, source="own-network", command=command, seed=pairs.seed)
        own = [row for row in found if row["way"] == "flow"]
        add_measured("cifar10-flow", wb.artifacts.folder_of("cifar10-flow"), distance=own)
    print("done", file=sys.stderr)


if __name__ == "__main__":
    main()
