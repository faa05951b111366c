"""Skipping the beginning with the network of the book: what each jump costs and saves.

For every number of skipped steps of one Karras grid: the noise level where the network takes over, evaluations, the distance of the
pictures to those of a converged run from the same noise (root mean square, in units of the pictures' standard deviation), the
first-order bound of ``wb.gaussian.skip_errors`` on what the jump adds to it, and, where the features of our classifier are at hand, the
Frechet distance on them to the reference statistics (never to be confused with FID).

The default takes about five minutes on one core.  A thousand pictures, which the Frechet distance needs, take about forty:
``python -m benchmarks.teleport --images 1000 --artifact``.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.judging import Judge
from benchmarks.record import parser, publish_record, record, table

SEED = 0
SKIPS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12)


def noise(schedule: wb.schedules.Schedule, shape: tuple[int, ...], count: int, *, first: int = SEED) -> Tensor:
    """The start of ``count`` pictures, each from a seed of its own (from ``first`` on), so that more of them begin with the same ones."""
    seeds = [torch.Generator().manual_seed(first + i) for i in range(count)]
    return schedule.prior((count, *shape), schedule.t_first, generator=seeds, dtype=torch.float32)


def run(model: wb.Denoiser, x: Tensor, grid: Tensor, solver: wb.solvers.Solver, batch: int) -> tuple[Tensor, int]:
    """The pictures, a batch at a time, and evaluations for each."""
    with torch.no_grad():
        runs = [wb.solve(model, part, grid, solver) for part in x.split(batch)]
    return torch.cat([one.x for one in runs]), runs[0].evaluations


def measure(
    model: wb.Denoiser,
    law: Any,
    start: Tensor,
    solver: wb.solvers.Solver,
    *,
    steps: int = 18,
    skips: tuple[int, ...] = SKIPS,
    reference_steps: int = 60,
    batch: int = 25,
    distance: Callable[[Tensor], tuple[float, float]] | None = None,
) -> list[dict[str, Any]]:
    """One row for each number of skipped steps.

    Args:
        model, law: the network and the Gaussian that takes its place; on one schedule.
        start: the noise at ``t_first``.
        solver: of the rest of the grid.
        steps: of the whole grid, the last of them to 0.
        skips: how many of them to skip.
        reference_steps: of UniPC, for the pictures to compare with.
        batch: pictures at a time.
        distance: pictures -> Frechet distance and its standard error; None where it cannot be had.
    """
    schedule = model.schedule
    grid = wb.grids.karras(schedule, steps, stop=0.0)
    reference, _ = run(model, start, wb.grids.karras(schedule, reference_steps, stop=0.0), wb.solvers.UniPC(), batch)
    contrast = float((reference - reference.mean()).square().mean().sqrt())
    bound = wb.gaussian.skip_errors(model, law, reference[:32], grid, generator=torch.Generator().manual_seed(SEED))
    rows = []
    for k in skips:
        begun = time.perf_counter()
        x, evaluations = run(model, wb.gaussian.teleport(law, start, grid[0], grid[k]), grid[k:], solver, batch)
        row = {
            "skipped": k,
            "sigma": round(float(grid[k]), 4),
            "evaluations": evaluations,
            "error": float((x - reference).square().mean().sqrt()) / contrast,
            "bound": float(bound[k]),
        }
        if distance is not None:
            row["frechet"], row["frechet_standard_error"] = distance(x)
        rows.append(row)
        print(f"{k} skipped: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return rows


def features_distance(images: int) -> Callable[[Tensor], tuple[float, float]] | None:
    """The Frechet distance on our classifier's features to the training images, where both are at hand and the pictures are enough."""
    judge = Judge.shipped()
    if judge is None or not judge.enough(images):
        return None

    def distance(x: Tensor) -> tuple[float, float]:
        found = wb.metrics.frechet_estimate(judge.features(x), judge.reference)
        return found.value, found.standard_error

    return distance


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=64, help="how many pictures (default 64)")
    options.add_argument("--steps", type=int, default=18, help="of the whole grid (default 18)")
    options.add_argument("--reference-steps", type=int, default=60, help="of the converged run (default 60)")
    options.add_argument("--skips", type=int, nargs="+", default=SKIPS, help="numbers of skipped steps")
    options.add_argument("--solver", choices=("Heun", "UniPC"), default="Heun")
    options.add_argument("--batch", type=int, default=32, help="pictures at a time (default 32)")
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    arguments = options.parse_args()
    if not (arguments.images >= 2 and arguments.steps >= 2 and all(0 <= k < arguments.steps for k in arguments.skips)):
        options.error("needs at least two images and two steps, and skips from 0 to steps - 1")
    torch.set_num_threads(1)
    network = wb.artifacts.load("cifar10-denoiser")
    law = wb.characters.cifar10(network.schedule)
    begun = time.perf_counter()
    rows = measure(
        network,
        law,
        noise(network.schedule, law.shape, arguments.images),
        getattr(wb.solvers, arguments.solver)(),
        steps=arguments.steps,
        skips=tuple(arguments.skips),
        reference_steps=arguments.reference_steps,
        batch=arguments.batch,
        distance=features_distance(arguments.images),
    )
    about = wb.artifacts.describe("cifar10-denoiser")
    facts = {
        "network": about["measured"].get("words", ""),
        "network_sha256": about["sha256"],
        "solver": arguments.solver,
        "steps": arguments.steps,
        "images": arguments.images,
        "reference": f"UniPC, {arguments.reference_steps} steps",
        "seconds": round(time.perf_counter() - begun),
        "rows": rows,
    }
    print(table(rows))
    record("teleport", facts, arguments.json, seed=SEED)
    if arguments.artifact:
        finite = all(math.isfinite(value) for row in rows for value in row.values())
        if not finite:
            raise SystemExit("some numbers are not finite; nothing was published")
        extra = f"--images {arguments.images} --steps {arguments.steps} --solver {arguments.solver}"
        command = f"python -m benchmarks.teleport {extra} --artifact"
        publish_record("teleport", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
