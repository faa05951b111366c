"""The exact denoiser of a finite data set: what a network that memorized its training set would compute."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from workbench.denoiser import Time, combine, conversion
from workbench.draws import Generators, normal
from workbench.gaussian.covariance import lasting
from workbench.gaussian.law import Law, check_schedule, wide
from workbench.gaussian.mixture import choose
from workbench.gaussian.response import columns
from workbench.schedules import Schedule

_CHUNK_BYTES = 2**24
_LARGEST = 1e300


class Tally(NamedTuple):
    """Sums over the data of w_i = exp((least - energy_i) / sigma^2), energy_i = |alpha x_i|^2 / 2 - alpha x . x_i, centered."""

    least: Tensor
    index: Tensor
    total: Tensor
    squares: Tensor
    weighted: Tensor


class Nearest(NamedTuple):
    """The data point nearest to each sample, and how far away it is."""

    index: Int[Tensor, "batch"]
    distance: Float[Tensor, "batch"]


@dataclass(frozen=True, eq=False)
class EmpiricalDenoiser(Law):
    """Data uniform on N points; x_t is a mixture of N points blurred by sigma.

    data(x, t) = sum_i w_i x_i with w = softmax_i(-|x - alpha x_i|^2 / (2 sigma^2)); its probability flow ends on the data.

    Streams over chunks of the data with a running minimum of the energy, subtracted before anything is exponentiated: beside the
    data it needs about 100 MB, whatever N.  Distances go through x . x_i of centered data in float64, which keeps them to 1e-13;
    in float32 the exponent at sigma = 0.01 would be wrong by whole units.  Papers: ``karras2022edm``, ``wang2024gaussian``.

    Args:
        points: (N, \\*shape); floating-point as it is, or uint8, read as k / 127.5 - 1 chunk by chunk.
        schedule: the noise schedule.

    Raises:
        TypeError: for data of another dtype.
        ValueError: for data that are empty, not finite, or without an axis beside that of the samples.
    """

    points: Tensor
    schedule: Schedule
    paper = "karras2022edm"

    def __post_init__(self) -> None:
        check_schedule(self.schedule, "EmpiricalDenoiser")
        points = self.points
        if not isinstance(points, Tensor) or not (points.is_floating_point() or points.dtype == torch.uint8):
            got = f"dtype {points.dtype}" if isinstance(points, Tensor) else type(points).__name__
            raise TypeError(f"EmpiricalDenoiser needs floating-point or uint8 data (N, *shape), got {got}")
        if points.ndim < 2 or not points.numel():
            raise ValueError(f"EmpiricalDenoiser needs data (N, *shape), not empty, got shape {tuple(points.shape)}")
        if points.is_floating_point() and not all(bool(part.isfinite().all()) for part in points.split(4096)):
            raise ValueError("EmpiricalDenoiser needs finite data, got some that are infinite or NaN")

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.points.shape[1:]

    def __len__(self) -> int:
        return len(self.points)

    def on(self, schedule: Schedule) -> "EmpiricalDenoiser":
        """The same data, seen through the noise of another schedule."""
        new = EmpiricalDenoiser(self.points, schedule)
        new.__dict__.update({name: self.__dict__[name] for name in ("_center", "_norms") if name in self.__dict__})
        return new

    def read(self, rows: slice | Tensor, device: torch.device | str = "cpu") -> Float[Tensor, "rows dim"]:
        """Some of the points, flattened, float64, uint8 scaled to [-1, 1]."""
        part = self.points[rows if isinstance(rows, slice) else rows.to(self.points.device)].flatten(1)
        part = part.to(device).to(torch.float64, copy=True)
        return part.div_(127.5).sub_(1) if self.points.dtype == torch.uint8 else part

    @cached_property
    def _center(self) -> Tensor:
        total = sum(self.read(rows).sum(0) for rows in self._slices(self._rows(0)))
        return lasting(total / len(self))

    @cached_property
    def _norms(self) -> Tensor:
        norms = torch.empty(len(self), dtype=torch.float64)
        for rows in self._slices(self._rows(0)):
            norms[rows] = self.read(rows).sub_(self._center).square().sum(1)
        return lasting(norms)

    def _rows(self, batch: int) -> int:
        """How many points fit in a chunk, together with their weights for ``batch`` samples."""
        return max(1, _CHUNK_BYTES // (8 * (2 * self.dim + 4 * batch)))

    def _slices(self, rows: int) -> Iterator[slice]:
        return (slice(start, min(start + rows, len(self))) for start in range(0, len(self), rows))

    def _scan(self, x: Tensor, alpha: float | Tensor, inverse: float | Tensor, weigh: bool) -> Tally:
        """One pass over the data; x (batch, d) float64 minus alpha * center, ``inverse`` = 1 / sigma^2."""
        center, norms = self._center.to(x.device), self._norms.to(x.device)
        tally = None
        for rows in self._slices(self._rows(len(x))):
            part = self.read(rows, x.device).sub_(center)
            energy = 0.5 * alpha * alpha * norms[rows] - alpha * (x @ part.T)
            least, index = energy.min(1, keepdim=True)
            index = index + rows.start
            if tally is not None:
                index = torch.where(least < tally.least, index, tally.index)
                least = torch.minimum(least, tally.least)
            weights = torch.exp((least - energy) * inverse)
            sums = (
                weights.sum(1, keepdim=True),
                weights.square().sum(1, keepdim=True),
                weights @ part if weigh else weights.new_zeros(len(x), 0),
            )
            if tally is not None:
                fade = torch.exp((least - tally.least) * inverse)
                sums = (sums[0] + fade * tally.total, sums[1] + fade**2 * tally.squares, sums[2] + fade * tally.weighted)
            tally = Tally(least, index, *sums)
        return tally

    def _at(self, x: Tensor, t: float | Tensor, weigh: bool = False) -> Tally:
        alpha, sigma = (columns(v) for v in (self.schedule.alpha(t), self.schedule.sigma(t)))
        alpha = alpha.to(x.device) if isinstance(alpha, Tensor) else alpha
        variance = torch.as_tensor(sigma * sigma, dtype=torch.float64).to(x.device)
        return self._scan(x - alpha * self._center.to(x.device), alpha, (1 / variance).clamp(max=_LARGEST), weigh)

    def _face(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        if not isinstance(t, Tensor) and t == 0 and target == "velocity":
            return self._at_the_data(target, x, t)
        pair = None if target == "data" else conversion(self.schedule, "data", target, t)
        flat = wide(x)
        tally = self._at(flat, t, weigh=True)
        out = self._center.to(flat.device) + tally.weighted / tally.total
        return (out if pair is None else combine(pair, flat, out)).view(x.shape).to(x)

    def log_prob(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch"]:
        """log q_t(x) = log (1 / N) sum_i N(x; alpha x_i, sigma^2 I) in nats; needs sigma > 0.

        Raises:
            ValueError: at sigma = 0, where there is no density.
        """
        self._check(x)
        t, flat = self._time(t, len(x)), wide(x)
        variance = torch.as_tensor(self.schedule.sigma(t), dtype=torch.float64).square()
        if not bool((variance > 0).all()):
            raise ValueError(f"at t = {t} a finite data set has no density; ask at t > 0, e.g. t_last = {self.schedule.t_last}")
        tally, variance = self._at(flat, t), variance.to(flat.device)
        alpha = columns(self.schedule.alpha(t))
        alpha = alpha.to(flat.device) if isinstance(alpha, Tensor) else alpha
        nearest = (flat - alpha * self.read(tally.index[:, 0], flat.device)).square().sum(1)
        nearest = (nearest / variance).clamp(max=_LARGEST)
        constant = math.log(len(self)) + 0.5 * self.dim * (2 * math.pi * variance).log()
        return (tally.total[:, 0].log() - 0.5 * nearest - constant).to(x)

    def effective_neighbours(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch"]:
        """1 / sum_i w_i^2, between 1 (one point decides: memory) and N (all do)."""
        self._check(x)
        tally = self._at(wide(x), self._time(t, len(x)))
        return (tally.total.square() / tally.squares)[:, 0].to(x)

    def nearest(self, x: Float[Tensor, "batch *shape"]) -> Nearest:
        """Index and Euclidean distance of the data point nearest to each x, itself taken as data (t = 0)."""
        self._check(x)
        flat = wide(x)
        index = self._scan(flat - self._center.to(flat.device), 1.0, 0.0, False).index[:, 0]
        distance = (flat - self.read(index, flat.device)).square().sum(1).sqrt()
        return Nearest(index, distance.to(x))

    def _draw(self, n: int, t: float, generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        """Points drawn with replacement, and noise."""
        index = choose(torch.full((len(self),), 1 / len(self), dtype=torch.float64), n, generator)
        out = self.read(index).to(device=device, dtype=dtype).mul_(self.schedule.alpha(t))
        if (sigma := self.schedule.sigma(t)) > 0:
            out.add_(normal(out.shape, generator, dtype, device), alpha=sigma)
        return out.view(n, *self.shape)
