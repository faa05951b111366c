"""Networks of pictures in few bits, and how each is sampled: what is compared when bits and steps are traded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from workbench.artifacts import quantized_networks

Q = wb.quantizers
VE, RF = wb.schedules.VE(), wb.schedules.Rectified()
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
        fine: the grid of the reference, where it is another one.
    """

    model: Any
    sha256: str
    solvers: dict[str, wb.solvers.Solver]
    grid: Callable[[int], Tensor]
    start: Callable[[Tensor], Tensor]
    asked: Callable[[Any, Tensor], wb.Denoiser]
    reference: tuple[str, int]
    fine: Callable[[int], Tensor] | None = None

    def draw(self, small: Any, solver: str, steps: int, pictures: Tensor, fine: bool = False) -> tuple[Tensor, int]:
        """The pictures whose seeds are given, and evaluations for each."""
        x = self.start(unit_noise(pictures, self.shape))
        grid = (self.fine if fine and self.fine else self.grid)(steps)
        with torch.no_grad():
            run = wb.solve(self.asked(small, pictures % CLASSES), x, grid, self.solvers[solver])
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
        ("Heun", 32),
        lambda n: wb.grids.quadratic(RF, n, start=1.0, stop=0.0),
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


def file_of(subject: Subject, bits: int) -> dict[str, Any]:
    """Bytes of the packed network, and what its quantizers say they should be."""
    small, parameters = small_of(subject, bits), sum(p.numel() for p in subject.model.net.parameters())
    content = quantized_networks.pack(small.net)
    tensors, header = quantized_networks.content_nbytes(small.net), int.from_bytes(content[:8], "little")
    if len(content) != 8 + header + tensors:
        raise ValueError(f"the file has {len(content)} bytes, its parts {8 + header + tensors}")
    each = len(content) / parameters
    return {"parameters": parameters, "file_bytes": len(content), "tensor_bytes": tensors, "bytes_a_parameter": each}
