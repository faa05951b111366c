"""Pictures for a table: made in batches from the same noise for every row, looked at by the judge, and kept."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.judging import Judge
from benchmarks.kept import Kept, Row
from benchmarks.peers import label
from benchmarks.teleport import SEED, noise, run

VE = wb.schedules.VE()


@dataclass(frozen=True)
class Way:
    """A solver on the longest grid, from pure noise to 0, that a number of evaluations pays for."""

    solver: wb.solvers.Solver
    grid: str
    budget: int

    @property
    def about(self) -> dict[str, Any]:
        """In words and numbers."""
        return {"solver": label(self.solver), "grid": self.grid, "budget": self.budget}

    def times(self) -> Tensor:
        """The grid on VE."""
        place = getattr(wb.grids, self.grid)
        times = wb.solvers.grid_within(self.budget, self.solver, VE, place, start=VE.t_first, stop=0)
        if times is None:
            raise ValueError(f"{self.budget} evaluations pay for no step of {label(self.solver)}; give it more")
        return times


@dataclass(frozen=True)
class Model:
    """A denoiser on VE, and the hash of what it was read from."""

    denoiser: wb.Denoiser
    sha256: str


@dataclass(frozen=True, eq=False)
class Bench:
    """Who judges, where rows are kept, and how pictures are made.

    Attributes:
        judge: of the pictures.
        kept: the rows.
        batch: pictures at a time.
        compared: of how many pictures the pixels are kept as well.
        shape: of a picture.
        classes: picture i is asked to be of class i modulo this number, where it is asked at all.
    """

    judge: Judge
    kept: Kept
    batch: int = 50
    compared: int = 100
    shape: tuple[int, int, int] = (3, 32, 32)
    classes: int = 10

    def labels(self, images: int) -> Tensor:
        """The classes asked for: all equally often."""
        return torch.arange(images) % self.classes

    def made(self, model: Model, way: Way, images: int, scale: float | None = None) -> Row:
        """Features of the pictures, the first of them, and what each has cost.

        Args:
            model: a network.
            way: how to sample it.
            images: how many pictures; the noise of the first ones is the same for any number.
            scale: None asks for no class, 1 for a class, another number for a class with guidance.
        """
        key = {"network": model.sha256, **way.about, "images": images, "scale": scale, "seed": SEED}
        return self.kept.row(key, lambda: self._make(model.denoiser, way, images, scale))

    def drawn(self, law: Any, images: int, sha256: str) -> Row:
        """The same of pictures drawn from a law."""
        draws = torch.Generator().manual_seed(SEED)
        return self.kept.row(
            {"law": sha256, "images": images, "seed": SEED},
            lambda: self._judged(law.sample(images, 0.0, generator=draws), 0),
        )

    def row(self, features: Tensor, labels: Tensor | None) -> dict[str, Any]:
        """What the judge says of these features."""
        told = {} if labels is None else self.judge.accuracy(features, labels)
        return {"images": len(features), **self.judge.distance(features), **told}

    def _make(self, model: wb.Denoiser, way: Way, images: int, scale: float | None) -> Row:
        start, labels, times = noise(VE, self.shape, images), self.labels(images), way.times()
        parts, evaluations = [], 0
        for rows in torch.arange(images).split(self.batch):
            asked = (model if scale is None else model.given(labels[rows])).on(VE)
            asked = asked if scale in (None, 1) else wb.Guided(asked, model.on(VE), float(scale))
            x, evaluations = run(asked, start[rows], times, way.solver, self.batch)
            parts.append(x)
        return self._judged(torch.cat(parts), evaluations * (1 if scale in (None, 1) else 2))

    def _judged(self, x: Tensor, evaluations: int) -> Row:
        if not bool(x.isfinite().all()):
            raise ValueError("some pictures are not finite; use shorter steps")
        features = self.judge.features(x.float())
        return {"evaluations": evaluations}, {"features": features, "first": x[: self.compared].float().clone()}
