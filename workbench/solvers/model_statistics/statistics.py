"""What DPM-Solver-v3 knows of a model: three coefficients l, s, b at every log-SNR, each shaped as a sample (or broadcast to it).

In v = x / alpha with lambda = log(alpha / sigma) as time, the flow is dv/dlambda = -e, e = (sigma / alpha) noise.  Split off what is
linear in v, and then what is predictable in the rest:

    f = e - l v,        f' = s f + b + (what nobody foresaw)

l = 1 leaves f = -data, l = 0 leaves f = e: data and noise prediction are two choices of many.  The best l is the mean diagonal of
sigma d noise / dx, the best s and b are the regression of f' on f.  Nothing here depends on the schedule: statistics found on one serve
on all.  *Any* smooth l, s, b keep a solver's order; good ones make its error small.  (A table is smooth to the first derivative.)

Book: ``solvers/best_parameterization``.  Paper: ``zheng2023dpmsolverv3``.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.atomic import write
from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.schedules import Schedule
from workbench.solvers.model_statistics.basis import Basis


class Coefficients(NamedTuple):
    """l, s and b at k values of lambda, each (k, \\*shape), float64."""

    l: Tensor  # noqa: E741
    s: Tensor
    b: Tensor


@dataclass(frozen=True, eq=False)
class ModelStatistics:
    """l, s, b in a table over lambda; between the nodes a cubic through the values with slopes by central differences, outside the nearest value.

    Args:
        nodes: (n,) increasing, equally spaced values of lambda, at least two.
        l, s, b: (n, \\*shape); shape broadcasts to that of a sample, or of its coordinates in ``basis``.
        basis: the coordinates in which they act; None for the entries of the sample.
        samples: how many pictures each node has seen (0 where nothing was estimated).
        evaluations: network evaluations of single pictures that the estimate cost; a derivative counts as one more.

    Raises:
        TypeError, ValueError: for nodes that are not equally spaced and increasing, or tables that do not fit or are not finite.
    """

    nodes: Float[Tensor, "nodes"]
    l: Float[Tensor, "nodes *shape"]  # noqa: E741
    s: Float[Tensor, "nodes *shape"]
    b: Float[Tensor, "nodes *other"]
    basis: Basis | None = None
    samples: int = 0
    evaluations: int = 0
    _memo: dict = field(default_factory=dict, repr=False)
    paper = "zheng2023dpmsolverv3"
    points = 4  # of the quadrature between two breaks

    def __post_init__(self) -> None:
        for name in ("nodes", "l", "s", "b"):
            object.__setattr__(self, name, getattr(self, name).detach().to("cpu", torch.float64))
        gaps = self.nodes.diff()
        if (
            self.nodes.ndim != 1
            or len(self.nodes) < 2
            or not bool((gaps > 0).all())
            or float(gaps.max() - gaps.min()) > 1e-6 * float(gaps.max())
        ):
            raise ValueError(
                "nodes must be at least two increasing, equally spaced values of lambda, such as torch.linspace(-4, 6, 81)"
            )
        for name in ("l", "s", "b"):
            table = getattr(self, name)
            if len(table) != len(self.nodes) or not bool(table.isfinite().all()):
                raise ValueError(f"{name} needs a finite entry for each of {len(self.nodes)} nodes, got shape {tuple(table.shape)}")

    @classmethod
    def constant(cls, l: float = 1.0, s: float = 0.0, b: float = 0.0) -> "ModelStatistics":  # noqa: E741
        """The same numbers everywhere: l = 1, s = 0 is data prediction (DPM-Solver++), l = 0, s = -1 noise prediction (DPM-Solver)."""
        tables = (torch.full((2,), float(value), dtype=torch.float64) for value in (l, s, b))
        return cls(torch.tensor([-1.0, 1.0], dtype=torch.float64), *tables)

    @classmethod
    def of_gaussian(cls, law: GaussianDenoiser, nodes: Float[Tensor, "nodes"] | None = None) -> "ModelStatistics":
        """The statistics of a Gaussian law, in closed form; with ``nodes`` a table of them.

        See :class:`~workbench.solvers.model_statistics.GaussianStatistics`.
        """
        from workbench.solvers.model_statistics.gaussian import GaussianStatistics

        exact = GaussianStatistics(law)
        if nodes is None:
            return exact
        return cls(nodes, *exact.at(nodes.to(torch.float64)), basis=exact.basis)

    @staticmethod
    def estimate(model, data, **settings) -> "ModelStatistics":
        """The statistics of any denoiser, measured on noised data: see :func:`~workbench.solvers.model_statistics.estimating.estimate`."""
        from workbench.solvers.model_statistics.estimating import estimate

        return estimate(model, data, **settings)

    def save(self, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Write the table as safetensors, atomically; ``dtype`` is that of 1 - l, s and b."""
        from workbench.solvers.model_statistics.files import pack

        write(Path(path), pack(self, dtype))

    @staticmethod
    def load(path: str | Path) -> "ModelStatistics":
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: for a file that is something else.
        """
        from workbench.solvers.model_statistics.files import unpack

        return unpack(Path(path).read_bytes())

    @property
    def shape(self) -> torch.Size:
        """The shape to which l, s and b broadcast together."""
        return torch.broadcast_shapes(self.l.shape[1:], self.s.shape[1:], self.b.shape[1:])

    def at(self, lam: Float[Tensor, "times"]) -> Coefficients:
        """l, s, b at these lambda."""
        place = self._place(lam)
        return Coefficients(*(self._value(name, *place) for name in ("l", "s", "b")))

    def integrals(self, lam: Float[Tensor, "times"]) -> tuple[Tensor, Tensor]:
        """Antiderivatives L and S of l and s at these lambda, (times, \\*shape): only their differences mean anything."""
        place = self._place(lam)
        return self._integral("l", lam, *place), self._integral("s", lam, *place)

    def forcing(self, lam: Float[Tensor, "times"]) -> Tensor:
        """b alone."""
        return self._value("b", *self._place(lam))

    def breaks(self, low: float, high: float) -> list[float]:
        """Where the coefficients are not smooth, strictly between ``low`` and ``high``."""
        return [node for node in self._node_list if low < node < high]

    def snapped(self, schedule: Schedule, grid: Float[Tensor, "points"]) -> Float[Tensor, "fewer"]:
        """The grid moved to the nearest nodes, as the published code does; points that meet become one."""
        lam = schedule.log_snr(grid.to(torch.float64))
        near = (lam[:, None] - self.nodes).abs().argmin(1).unique_consecutive()
        return schedule.inverse_log_snr(self.nodes[near])

    @cached_property
    def _node_list(self) -> list[float]:
        return self.nodes.tolist()

    @cached_property
    def _tables(self) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """For each coefficient its values, slopes, and integral from the first node to each."""
        found, h = {}, float(self.nodes[1] - self.nodes[0])
        for name in ("l", "s", "b"):
            value = getattr(self, name)
            slope = slopes(value, h)
            cell = h / 2 * (value[1:] + value[:-1]) + h * h / 12 * (slope[:-1] - slope[1:])
            found[name] = value, slope, torch.cat([torch.zeros_like(value[:1]), cell.cumsum(0)])
        return found

    def _place(self, lam: Tensor) -> tuple[Tensor, Tensor]:
        """The cell of each lambda, and the fraction of the way through it (clamped to the nodes)."""
        h, last = self.nodes[1] - self.nodes[0], len(self.nodes) - 2
        way = (lam.to(torch.float64) - self.nodes[0]) / h
        cell = way.floor().long().clamp(0, last)
        return cell, (way - cell).clamp(0, 1)

    def _value(self, name: str, cell: Tensor, u: Tensor) -> Tensor:
        value, slope, _ = self._tables[name]
        h, u = self.nodes[1] - self.nodes[0], _column(u, value)
        rise = u * u * (3 - 2 * u)
        bend = h * u * (1 - u)
        return torch.lerp(value[cell], value[cell + 1], rise) + bend * ((1 - u) * slope[cell] - u * slope[cell + 1])

    def _integral(self, name: str, lam: Tensor, cell: Tensor, u: Tensor) -> Tensor:
        value, slope, total = self._tables[name]
        h, beyond = self.nodes[1] - self.nodes[0], _column(lam - lam.clamp(self.nodes[0], self.nodes[-1]), value)
        u = _column(u, value)
        late = u**3 * (1 - u / 2)
        within = value[cell] * (u - late) + value[cell + 1] * late
        within += h * u * u * (slope[cell] * (0.5 + u * (u / 4 - 2 / 3)) + slope[cell + 1] * u * (u / 4 - 1 / 3))
        edge = torch.where(beyond > 0, value[-1], value[0])
        return total[cell] + h * within + beyond * edge


def slopes(values: Float[Tensor, "nodes *shape"], h: float) -> Float[Tensor, "nodes *shape"]:
    """Derivatives at equally spaced nodes: central differences of the fourth order, of the second next to the ends and at them."""
    found = torch.gradient(values, spacing=h, dim=0, edge_order=2 if len(values) > 2 else 1)[0]
    if len(values) > 4:
        found[2:-2] = (8 * (values[3:-1] - values[1:-3]) - (values[4:] - values[:-4])) / (12 * h)
    return found


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))
