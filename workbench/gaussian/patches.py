"""Exact denoisers under constraints: the best one that sees only a patch, and the best one that is the same everywhere."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time
from workbench.gaussian.empirical import EmpiricalDenoiser
from workbench.gaussian.law import check_schedule
from workbench.gaussian.windows import Windows, windows
from workbench.schedules import Schedule

_CHUNK_BYTES = 2**24


class Origins(NamedTuple):
    """Where each pixel of an estimate comes from: the patch of largest weight."""

    image: Int[Tensor, "batch height width"]
    position: Int[Tensor, "batch height width"]
    share: Float[Tensor, "batch height width"]


@dataclass(frozen=True, eq=False)
class PatchDenoiser(Denoiser):
    """The best denoiser of N images whose every output pixel sees only the patch around it.

    data(x, t) at pixel u = sum_p w_p center(p), w = softmax_p(-|x_u - alpha p|^2 / (2 sigma^2)), where x_u is the patch of x around u
    and p runs over a pool of patches of the data:

        equivariant=False   the patches at u itself, one for each image: locality alone (LS)
        equivariant=True    the patches at all places, so that the rule is the same everywhere (ELS)

    It minimizes E|f(x_t) - x_0|^2 over all f under the constraint.  A patch as large as the image undoes it: without equivariance it is
    :class:`EmpiricalDenoiser`; with it (ES) that of all translates of the images.

    At the border, ``padding="circular"`` wraps around: then shifting x shifts the result.  With ``padding="zeros"`` a patch sees zeros
    outside, which carry no noise: a pixel near the border recognizes how far it is from it and is compared with patches at that
    distance alone, so that equivariance is broken there.

    Each pixel decides for itself, so in general data is no gradient: there is no density whose score it would be.
    Paper: ``kamb2025creativity``.

    Args:
        points: (N, channels, height, width); floating-point as it is, or uint8, read as k / 127.5 - 1.
        schedule: the noise schedule.
        patch: the side of the square patch, odd; or a function from the noise level rho = sigma / alpha to it.
        equivariant: whether the pool is that of all places.
        padding: "circular" or "zeros".
        dtype: of the arithmetic; float32 takes half the time, and on images in [-1, 1] errs by less than 1e-3 down to rho = 0.02.

    Raises:
        TypeError: for data of another dtype.
        ValueError: for data that are not images, a patch side that is not odd and positive, or another padding.
    """

    points: Tensor
    schedule: Schedule
    patch: int | Callable[[float], int]
    equivariant: bool = True
    padding: str = "circular"
    dtype: torch.dtype = torch.float64
    paper = "kamb2025creativity"

    def __post_init__(self) -> None:
        check_schedule(self.schedule, "PatchDenoiser")
        EmpiricalDenoiser(self.points, self.schedule)  # refuses what is no data set
        if self.points.ndim != 4:
            raise ValueError(f"PatchDenoiser needs images (N, channels, height, width), got shape {tuple(self.points.shape)}")
        if self.padding not in ("circular", "zeros"):
            raise ValueError(f'padding={self.padding!r} is not known; it is "circular" or "zeros"')
        if self.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float64 or torch.float32, got {self.dtype}")
        if not callable(self.patch):
            _odd(self.patch)

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.points.shape[1:]

    def __len__(self) -> int:
        return len(self.points)

    def on(self, schedule: Schedule) -> "PatchDenoiser":
        """The same machine, asked on another schedule."""
        return self if schedule == self.schedule else replace(self, schedule=schedule)

    def side(self, t: float) -> int:
        """The side of the patch at time t."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return _odd(self.patch(sigma / alpha if alpha else math.inf)) if callable(self.patch) else self.patch

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """Each pixel's average of center pixels."""
        return self._mean(self._run(x, t)).view(len(x), -1, *self.shape[:1]).mT.reshape(x.shape).to(x)

    def pixels(
        self, x: Float[Tensor, "batch channels height width"], t: Time, at: Int[Tensor, " places"]
    ) -> Float[Tensor, "batch channels places"]:
        """data(x, t) at some pixels only (numbered row by row), in a fraction of the time."""
        return self._mean(self._run(x, t, at)).view(len(x), -1, *self.shape[:1])[:, at].mT.to(x)

    def origins(self, x: Float[Tensor, "batch channels height width"], t: Time) -> Origins:
        """For each pixel: the image and the place in it whose patch weighs most, and its weight."""
        tally, shape = self._run(x, t), torch.Size((len(x), *self.shape[1:]))
        image, place = (part.view(shape) for part in (tally.index // shape[1:].numel(), tally.index % shape[1:].numel()))
        return Origins(image, place, (1 / tally.total).view(shape).to(x))

    def _mean(self, tally: "_Tally") -> Tensor:
        return tally.weighted / tally.total[:, None] + self._center.flatten().to(self.dtype)

    @cached_property
    def _center(self) -> Tensor:
        """The mean color: a constant, so that subtracting it changes nothing but the rounding error."""
        images = (self._read(rows) for rows in self._chunks(64))
        return sum(part.sum((0, 2, 3)) for part in images).div(self.points[:, 0].numel()).view(-1, 1, 1)

    def _read(self, rows: slice) -> Tensor:
        part = self.points[rows].to("cpu", torch.float64, copy=True)
        return part.div_(127.5).sub_(1) if self.points.dtype == torch.uint8 else part

    def _chunks(self, size: int) -> Iterator[slice]:
        return (slice(start, min(start + size, len(self))) for start in range(0, len(self), size))

    def _run(self, x: Tensor, t: Time, at: Tensor | None = None) -> "_Tally":
        """What the pools say of each pixel (of those numbered ``at``, if given), sample by sample."""
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or x.shape[1:] != self.shape:
            raise ValueError(f"x must be floating-point images (batch, {', '.join(map(str, self.shape))}), got {_words(x)}")
        t = as_time(t, len(x))
        times = t.tolist() if isinstance(t, Tensor) else [t] * len(x)
        sides = [self.side(time) for time in times]
        levels = torch.tensor([(self.schedule.alpha(time), self.schedule.sigma(time)) for time in times], dtype=torch.float64)
        tally = _Tally.empty(len(x), self.shape, self.dtype)
        for side in sorted(set(sides)):
            view = windows(tuple(self.shape), side, self.padding, self.equivariant)
            mine = torch.tensor([i for i, other in enumerate(sides) if other == side])
            for rows in mine.split(max(1, _CHUNK_BYTES // (8 * view.entries))):
                self._pass(tally, x, levels, rows, view, at)
        return tally

    def _pass(self, tally: "_Tally", x: Tensor, levels: Tensor, rows: Tensor, view: Windows, at: Tensor | None) -> None:
        """One pass over the data for some samples, whose patches are of one size."""
        alpha, sigma = (column[rows].view(-1, 1, 1, 1) for column in levels.T)
        asked = view.cut(x.detach().to("cpu", torch.float64)[rows] - alpha * self._center).mul_(-alpha[:, 0]).to(self.dtype)
        scale = alpha.square().expand(-1, view.places, 1, 1).reshape(len(rows), -1, 1).to(self.dtype)
        steep = (1 / sigma.square()).clamp(max=torch.finfo(self.dtype).max).view(-1, 1).expand(-1, view.places).to(self.dtype)
        asked_for = torch.ones(view.places, dtype=torch.bool)
        if at is not None:
            asked_for = ~asked_for.index_fill(0, at, False)
        for chunk in self._chunks(max(1, _CHUNK_BYTES // (8 * view.entries))):
            patches = view.cut(self._read(chunk) - self._center).to(self.dtype)
            for pool in view.pools:
                places = pool[asked_for[pool]]
                if not len(places):
                    continue
                here, seen = patches[:, pool], view.inside[pool[0]].repeat(self.shape[0])
                library, colors = here[:, :, seen].flatten(0, 1), here[:, :, view.middle].flatten(0, 1)
                library = torch.cat([library, 0.5 * library.square().sum(1, keepdim=True)], 1)
                number = ((torch.arange(len(patches)) + chunk.start)[:, None] * view.places + pool).flatten()
                size = max(1, _CHUNK_BYTES // (16 * len(library)))
                queries = torch.cat([asked[:, places][:, :, seen], scale[:, places]], 2).flatten(0, 1)
                pixels = (rows[:, None] * view.places + places).flatten()
                for some, inverse, target in zip(
                    queries.split(size), steep[:, places].flatten().split(size), pixels.split(size), strict=True
                ):
                    tally.add(target, some @ library.T, inverse, colors, number)


class _Tally(NamedTuple):
    """For each pixel, sums of w = exp((least - energy) / sigma^2), energy = alpha^2 |p|^2 / 2 - alpha x_u . p."""

    least: Tensor
    index: Tensor
    total: Tensor
    weighted: Tensor

    @classmethod
    def empty(cls, batch: int, shape: torch.Size, dtype: torch.dtype) -> "_Tally":
        pixels = batch * shape[1] * shape[2]
        least = torch.full((pixels,), torch.inf, dtype=dtype)
        return cls(least, torch.zeros(pixels, dtype=torch.long), torch.zeros_like(least), least.new_zeros(pixels, shape[0]))

    def add(self, pixels: Tensor, energy: Tensor, inverse: Tensor, colors: Tensor, number: Tensor) -> None:
        """Count patches with the energies (pixels, patches); what was summed relative to a larger least energy fades."""
        before = self.least[pixels]
        lowest, where = energy.min(1)
        least = torch.minimum(before, lowest)
        fade = torch.exp((least - before) * inverse)  # 0 at first, when ``before`` is infinite
        weights = energy.sub_(least[:, None]).mul_(-inverse[:, None]).exp_()
        self.index[pixels] = torch.where(lowest < before, number[where], self.index[pixels])
        self.least[pixels] = least
        self.total[pixels] = fade * self.total[pixels] + weights.sum(1)
        self.weighted[pixels] = fade[:, None] * self.weighted[pixels] + weights @ colors


def _odd(side: object) -> int:
    """The side of a patch, checked."""
    if isinstance(side, bool) or not isinstance(side, int) or side < 1 or side % 2 == 0:
        raise ValueError(f"the side of a patch must be odd and positive, so that it has a center; got {side!r}")
    return side


def _words(x: object) -> str:
    return f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
