"""Bits against steps on pictures: the networks of the book with weights of 8 to 3 bits, at several numbers of evaluations.

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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.judging import Judge
from benchmarks.kept import Kept, Row
from benchmarks.record import parser, publish_record, record, table
from workbench.artifacts import quantized_networks
from workbench.data.cifar import data_root

Q = wb.quantizers
VE, RF = wb.schedules.VE(), wb.schedules.Rectified()
BITS = (32, 8, 6, 5, 4, 3)
START, STOP = 8.0, 0.02
CLASSES = 10
WAYS = ("pixel", "by chance", "one range", "by time")


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, and how it is sampled.

    Attributes:
        model: the denoiser.
        sha256: of the file it was read from.
        solvers: by name.
        grid: n -> the times of n evaluations.
        start: noise of unit size -> the state at the first of them.
        asked: (model, labels) -> the model that is asked.
        reference: the name of the solver, and the number of steps, that count as converged.
    """

    model: Any
    sha256: str
    solvers: dict[str, wb.solvers.Solver]
    grid: Callable[[int], Tensor]
    start: Callable[[Tensor], Tensor]
    asked: Callable[[Any, Tensor], wb.Denoiser]
    reference: tuple[str, int]

    def draw(self, small: Any, solver: str, steps: int, pictures: Tensor) -> tuple[Tensor, int]:
        """The pictures whose seeds are given, and evaluations for each."""
        x = self.start(unit_noise(pictures, self.shape))
        with torch.no_grad():
            run = wb.solve(self.asked(small, pictures % CLASSES), x, self.grid(steps), self.solvers[solver])
        return run.x, run.evaluations

    @property
    def shape(self) -> torch.Size:
        """Of a picture."""
        return self.model.law.shape


def denoiser(model: Any, sha256: str, start: float = START, stop: float = STOP) -> Subject:
    """A denoiser after a Gaussian jump, on Karras' grid."""
    first = VE.t_first
    return Subject(
        model.on(VE),
        sha256,
        {"Euler": wb.solvers.DDIM(), "2M": wb.solvers.DPMSolverPP2M(), "UniPC": wb.solvers.UniPC()},
        lambda n: wb.grids.karras(VE, n, start=start, stop=stop),
        lambda z: wb.gaussian.teleport(model.law, first * z, first, start),
        lambda small, labels: small,
        ("UniPC", 50),
    )


def flow(model: Any, sha256: str) -> Subject:
    """A flow with classes, on even steps."""
    return Subject(
        model,
        sha256,
        {"Euler": wb.solvers.Euler(variable="t"), "Heun": wb.solvers.Heun(variable="t")},
        lambda n: wb.grids.uniform(RF, n, start=1.0, stop=0.0),
        lambda z: z,
        lambda small, labels: small.given(labels),
        ("Heun", 24),
    )


def unit_noise(pictures: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Noise from one seed for each picture; the first nine are the nine of the book."""
    draws = [torch.randn(shape, generator=torch.Generator().manual_seed(int(seed))) for seed in pictures]
    return torch.stack(draws)


def weights_of(bits: int) -> Q.Affine | None:
    """Groups of 32, steps of 16 bits; 32 bits are left as they are."""
    return None if bits == 32 else Q.Affine(bits=bits, block=(1, 32), scales=Q.Float(torch.float16))


def activations_of(bits: int, way: str) -> Q.Affine | None:
    """One step for each pixel as it comes, or a table of measured ranges."""
    if way == "exact":
        return None
    own = {"block": (-1,)} if way in ("pixel", "by chance") else {"block": (-1,), "zero": "integer"}
    return Q.Affine(bits=bits, rounding="stochastic" if way == "by chance" else "nearest", **own)


def small_of(subject: Subject, bits: int, rounded: int = 32, way: str = "exact", seed: int = 0) -> Any:
    """The subject's model in few bits."""
    activations = activations_of(rounded, way)
    ranges = None
    if way in ("one range", "by time"):
        seen = torch.arange(1000, 1004)
        ranges = Q.calibrate(subject.model, lambda m: subject.draw(m, "Euler", 16, seen), entries=1 if way == "one range" else 16)
    if bits == 32 and activations is None:
        return subject.model
    generator = torch.Generator().manual_seed(seed)
    return Q.quantized(subject.model, weights=weights_of(bits), activations=activations, ranges=ranges, generator=generator)


@dataclass(frozen=True, eq=False)
class Bench:
    """Draws, compares and keeps."""

    kept: Kept
    judge: Judge | None
    pictures: int = 24
    batch: int = 32

    def made(self, subject: Subject, solver: str, steps: int, bits: int, rounded: int = 32, way: str = "exact") -> Row:
        """Pictures of a setting, in order of their seeds."""
        key = {"network": subject.sha256, "solver": solver, "steps": steps, "bits": bits, "pictures": self.pictures}
        key |= {} if way == "exact" else {"rounded": rounded, "way": way}

        def make() -> Row:
            small, parts, evaluations = small_of(subject, bits, rounded, way), [], 0
            for rows in torch.arange(self.pictures).split(self.batch):
                x, evaluations = subject.draw(small, solver, steps, rows)
                parts.append(x)
            return {"evaluations": evaluations}, {"x": torch.cat(parts).half()}

        return self.kept.row(key, make)

    def error(self, subject: Subject, *setting: Any) -> dict[str, Any]:
        """Paired error of a setting with its standard error, and evaluations."""
        ends = self.made(subject, *subject.reference, 32)[1]["x"].float()
        contrast = (ends - ends.mean()).square().mean().sqrt()
        facts, tensors = self.made(subject, *setting)
        squares = (tensors["x"].float() - ends).div(contrast).double().square().flatten(1).mean(1)
        root = float(squares.mean().sqrt())
        spread = float(squares.std()) / len(squares) ** 0.5 / (2 * max(root, 1e-12))
        return {**facts, "error": root, "error_standard_error": spread}

    def distance(self, subject: Subject, solver: str, steps: int, bits: int, images: int) -> dict[str, Any]:
        """Frechet distance of a setting."""
        key = {"network": subject.sha256, "solver": solver, "steps": steps, "bits": bits, "images": images}

        def make() -> Row:
            small, found, evaluations = small_of(subject, bits), [], 0
            for rows in torch.arange(images).split(self.batch):
                x, evaluations = subject.draw(small, solver, steps, rows)
                found.append(self.judge.features(x))
            return {"evaluations": evaluations}, {"features": torch.cat(found)}

        facts, tensors = self.kept.row(key, make)
        return {**facts, "images": images, **self.judge.distance(tensors["features"])}

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


def file_of(subject: Subject, bits: int) -> dict[str, Any]:
    """Bytes of the packed network, and what its quantizers say they should be."""
    small, parameters = small_of(subject, bits), sum(p.numel() for p in subject.model.net.parameters())
    content = quantized_networks.pack(small.net)
    tensors, header = quantized_networks.content_nbytes(small.net), int.from_bytes(content[:8], "little")
    if len(content) != 8 + header + tensors:
        raise ValueError(f"the file has {len(content)} bytes, its parts {8 + header + tensors}")
    each = len(content) / parameters
    return {"parameters": parameters, "file_bytes": len(content), "tensor_bytes": tensors, "bytes_a_parameter": each}


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
    "cifar10-denoiser": {"2M": (4, 8, 16), "Euler": (4, 8, 16)},
    "cifar10-flow": {"Euler": (1, 2, 4, 8, 16)},
    "cifar10-dit": {"2M": (4, 8, 16)},
}
DISTANCES = [
    *(("cifar10-denoiser", "2M", n, b) for n, b in ((8, 32), (8, 4), (8, 3), (4, 4), (16, 4))),
    *(("cifar10-flow", "Euler", n, b) for n, b in ((2, 32), (2, 4), (2, 3))),
]
ROUNDED = [(way, b, n) for b, ways in ((6, WAYS), (4, WAYS[:2])) for way in ways for n in (8, 32)]


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=256, help="pictures of a Frechet distance (default 256)")
    options.add_argument("--pictures", type=int, default=24, help="pictures compared one by one (default 24)")
    options.add_argument("--artifact", action="store_true", help="also publish the tables with the package")
    o = options.parse_args()
    judge = Judge.shipped()
    if judge is None or not judge.enough(o.images):
        options.error("needs cifar10-classifier and cifar10-features, and at least twice as many pictures as features")
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
    print("done", file=sys.stderr)


if __name__ == "__main__":
    main()
