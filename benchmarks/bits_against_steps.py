"""Bits against steps on pictures: the networks of the book with weights of 8 to 2 bits, at several numbers of evaluations.

    errors      the distance to where the full network's flow leads from the same noise, root mean square, in units of the pictures'
                standard deviation, for each network, solver, number of evaluations and number of bits
    rounded     the same with weights of 8 bits, and what flows between the layers rounded as well, in four ways
    times       the error of the network's answer along the path of the full one, relative to the answer, by time
    distances   Frechet distances on the features of our classifier (never to be called FID), corrected, for some settings
    files       bytes of each network as packed

The denoisers start with an exact Gaussian jump to noise level 8, which all settings share, and stop at .02, where the noise left is too
small to see, so that no evaluation is spent on the last of it.  Groups of 32 weights share a step of 16 bits.  Rows are kept on the
disk, so that an interrupted run goes on where it was.  About twenty-five minutes of one core:
python -m benchmarks.bits_against_steps --artifact
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

import workbench as wb
from benchmarks.judging import Judge, root, squares
from benchmarks.kept import Kept, Row
from benchmarks.record import parser, publish_record, record, table
from benchmarks.sampled_networks import CLASSES, START, STOP, WAYS, Q, Subject, denoiser, file_of, flow, small_of, unit_noise
from workbench.artifacts.manifest import FOLDER, publish
from workbench.data.cifar import data_root

BITS = (32, 8, 6, 5, 4, 3, 2)


@dataclass(frozen=True, eq=False)
class Bench:
    """Draws, compares and keeps."""

    kept: Kept
    judge: Judge | None
    pictures: int = 24
    batch: int = 32

    def made(
        self, subject: Subject, solver: str, steps: int, bits: int, rounded: int = 32, way: str = "exact", fine: bool = False
    ) -> Row:
        """Pictures of a setting, in order of their seeds."""
        key = {"network": subject.sha256, "solver": solver, "steps": steps, "bits": bits, "pictures": self.pictures}
        key |= {"fine": True} if fine and subject.fine else {}
        key |= {} if way == "exact" else {"rounded": rounded, "way": way}

        def make() -> Row:
            small, parts, evaluations = small_of(subject, bits, rounded, way), [], 0
            for rows in torch.arange(self.pictures).split(self.batch):
                x, evaluations = subject.draw(small, solver, steps, rows, fine)
                parts.append(x)
            return {"evaluations": evaluations}, {"x": torch.cat(parts).half()}

        return self.kept.row(key, make)

    def error(self, subject: Subject, *setting: Any) -> dict[str, Any]:
        """Paired error of a setting with its standard error, and evaluations."""
        ends = self.made(subject, *subject.reference, 32, fine=True)[1]["x"].float()
        facts, tensors = self.made(subject, *setting)
        return facts | root(squares(tensors["x"].float(), ends))

    def distance(self, subject: Subject, solver: str, steps: int, bits: int, images: int) -> dict[str, Any]:
        """Frechet distance of a setting, and its paired difference to the same network at 32 bits and 8 evaluations (a flow: 2)."""
        facts, own = self._features(subject, solver, steps, bits, images)
        _, full = self._features(subject, solver, 2 if subject.fine else 8, 32, images)
        above = wb.metrics.frechet_difference(own["features"], full["features"], self.judge.reference)
        more = {"above_full": above.value, "above_full_standard_error": above.standard_error}
        return {**facts, "images": images, **self.judge.distance(own["features"]), **more}

    def _features(self, subject: Subject, solver: str, steps: int, bits: int, images: int) -> Row:
        key = {"network": subject.sha256, "solver": solver, "steps": steps, "bits": bits, "images": images}

        def make() -> Row:
            small, found, evaluations = small_of(subject, bits), [], 0
            for rows in torch.arange(images).split(self.batch):
                x, evaluations = subject.draw(small, solver, steps, rows)
                found.append(self.judge.features(x))
            return {"evaluations": evaluations}, {"features": torch.cat(found)}

        return self.kept.row(key, make)

    def by_time(self, subject: Subject, solver: str, steps: int, bits: int, few: int = 9) -> dict[str, Any]:
        """The error of the answer along the path of the full network."""
        key = {"network": subject.sha256, "solver": solver, "steps": steps, "bits": bits, "few": few, "by": "time"}

        def make() -> Row:
            pictures = torch.arange(few)
            x, grid = subject.start(unit_noise(pictures, subject.shape)), subject.grid(steps)
            full = subject.asked(subject.model, pictures % CLASSES)
            with torch.no_grad():
                run = wb.solve(full, x, grid, subject.solvers[solver], trajectory=True)
            found = Q.score_error(
                subject.asked(small_of(subject, bits), pictures % CLASSES), full, run.xs[:-1], grid[:-1], face="velocity"
            )
            return {}, {"times": found.times, "relative": found.relative}

        tensors = self.kept.row(key, make)[1]
        return {"time": tensors["times"].tolist(), "relative": tensors["relative"].tolist()}


def error_rows(
    bench: Bench, subjects: dict[str, Subject], plan: dict[str, dict[str, tuple[int, ...]]], bits: tuple[int, ...]
) -> list[dict]:
    """One row for each network, solver, number of steps and number of bits of the plan."""
    return [
        {"network": name, "solver": solver, "steps": n, "bits": b, **bench.error(subjects[name], solver, n, b)}
        for name, solvers in plan.items()
        for solver, counts in solvers.items()
        for b in bits
        for n in counts
    ]


def rounded_rows(bench: Bench, name: str, subject: Subject, settings: list[tuple[str, int, int]], weights: int) -> list[dict]:
    """One row for each way, number of bits of what flows between the layers, and number of steps of Euler's method."""
    return [
        {"network": name, "solver": "Euler", "steps": n, "bits": weights, "rounded": b, "way": way}
        | bench.error(subject, "Euler", n, weights, b, way)
        for way, b, n in settings
    ]


def distance_rows(bench: Bench, subjects: dict[str, Subject], settings: list[tuple[str, str, int, int]], images: int) -> list[dict]:
    """One row for each network, solver, number of steps and bits."""
    return [
        {"network": name, "solver": solver, "steps": n, "bits": b} | bench.distance(subjects[name], solver, n, b, images)
        for name, solver, n, b in settings
    ]


PLAN = {
    "cifar10-flow": {"Euler": (1, 2, 4, 8, 16)},
    "cifar10-denoiser": {"2M": (4, 6, 8, 12, 16), "Euler": (4, 8, 16, 32)},
    "cifar10-dit": {"2M": (4, 8, 16)},
}
DISTANCES = [
    *(("cifar10-denoiser", "2M", n, b) for n, b in ((8, 32), (8, 8), (8, 4), (8, 3), (4, 8), (4, 4), (16, 4))),
    *(("cifar10-flow", "Euler", n, b) for n, b in ((2, 32), (2, 4), (2, 3))),
]
ROUNDED = [(way, b, n) for b, ways in ((6, WAYS), (4, WAYS[:2])) for way in ways for n in (8, 32)]
SHOWN = [(solver, n, b) for solver in ("2M", "Euler") for n in (16, 8, 4) for b in (32, 6, 4, 3, 2)]
PICTURES = "bits-against-steps-nine"


def shown(bench: Bench, subject: Subject, settings: list[tuple[str, int, int]]) -> dict[str, Tensor]:
    """The nine of some settings as bytes, under names such as 2M-8-4, and where the full network ends, as "converged"."""
    made = {f"{solver}-{n}-{b}": bench.made(subject, solver, n, b)[1]["x"][:9].float() for solver, n, b in settings}
    pictures = {name: ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8) for name, x in made.items()}
    return pictures | {"converged": bench.made(subject, *subject.reference, 32, fine=True)[1]["x"][:9].clone()}


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=256, help="pictures of a Frechet distance (default 256)")
    options.add_argument("--pictures", type=int, default=24, help="pictures compared one by one (default 24)")
    options.add_argument("--artifact", action="store_true", help="also publish the tables with the package")
    o = options.parse_args()
    judge = Judge.required(options, o.images)
    torch.set_num_threads(1)
    hashes = {name: wb.artifacts.describe(name)["sha256"] for name in PLAN}
    kinds = {"cifar10-denoiser": denoiser, "cifar10-dit": denoiser, "cifar10-flow": flow}
    subjects = {name: kinds[name](wb.artifacts.load(name), hashes[name]) for name in PLAN}
    bench = Bench(Kept(data_root() / "bits-against-steps", start=START, stop=STOP, group=32), judge, o.pictures)
    errors = error_rows(bench, subjects, PLAN, BITS)
    times = [
        {"network": name, "bits": b} | bench.by_time(subjects[name], "Euler", 8, b)
        for name in ("cifar10-denoiser", "cifar10-flow")
        for b in BITS[1:]
    ]
    distances = distance_rows(bench, subjects, DISTANCES, o.images)
    rounded = rounded_rows(bench, "cifar10-denoiser", subjects["cifar10-denoiser"], ROUNDED, 8)
    files = [{"network": name, "bits": b} | file_of(subjects[name], b) for name in PLAN for b in BITS[1:]]
    for rows in (errors, rounded, distances, files):
        print(table(rows), end="\n\n")
    facts = {
        "distance": "Frechet distance on the features of cifar10-classifier to those of its training images; not an FID",
        "sha256": hashes,
        "start": START,
        "stop": STOP,
        "group": 32,
        "pictures": o.pictures,
        "errors": errors,
        "rounded": rounded,
        "times": times,
        "distances": distances,
        "files": files,
    }
    record("bits_against_steps", facts, o.json, seed=0)
    if o.artifact:
        command = f"python -m benchmarks.bits_against_steps --images {o.images} --pictures {o.pictures} --artifact"
        publish_record("bits-against-steps", facts, source="own-network", command=command, seed=0)
        subject = subjects["cifar10-denoiser"]
        publish(
            PICTURES,
            save(shown(bench, subject, SHOWN)),
            FOLDER,
            file=f"{PICTURES}.safetensors",
            kind="pictures",
            source="own-network",
            command=command,
            measured={
                "words": "The nine at several numbers of evaluations and bits, two solvers; k stands for k / 127.5 - 1.",
                "network_sha256": subject.sha256,
            },
        )
    print("done", file=sys.stderr)


if __name__ == "__main__":
    main()
