"""A comparison at equal evaluations: who may enter, how each grid and each jump is chosen, and on which noise all are judged.

An entrant is one run: a solver on a grid, perhaps after a jump along a Gaussian's flow, or a scheduler of diffusers on a spacing.
Whatever can be chosen is chosen on one noise and judged on other noise, for both sides alike.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

import workbench as wb
from benchmarks import peers
from benchmarks.judging import root
from benchmarks.kept import Kept
from benchmarks.laws import Problem

GRIDS = tuple(grid for grid in wb.grids.ALL if grid is not wb.grids.exponential)  # which is log_snr at its default power
Gaussian = wb.gaussian.GaussianDenoiser


class Entrant(Protocol):
    """One way to spend a budget."""

    @property
    def about(self) -> dict[str, Any]:
        """Whose it is, its method, its grid, its jump."""
        ...

    def ends(self, problem: Problem, gaussian: Gaussian | None) -> Tensor | None:
        """Where it carries the problem's noise; None where it fails."""
        ...


@dataclass(frozen=True)
class Way:
    """A solver of the book on a grid; with a ``jump`` it takes over at that sigma / alpha, from where the Gaussian's flow leads."""

    solver: wb.solvers.Solver
    grid: str
    times: tuple[float, ...]
    jump: float | None = None
    name: str = ""

    @property
    def about(self) -> dict[str, Any]:
        """In words and numbers."""
        return {"by": "workbench", "method": self.name or peers.label(self.solver), "grid": self.grid, "jump": self.jump}

    def evaluations(self, schedule: wb.schedules.Schedule) -> int:
        """What it costs."""
        return self.solver.evaluations_on(schedule, torch.tensor(self.times, dtype=torch.float64))

    def begin(self, problem: Problem, gaussian: Gaussian | None) -> Tensor:
        """The states from which the solver starts: the noise, or where the Gaussian's flow carries it."""
        first = problem.law.schedule.t_first
        x = problem.start(first)
        return x if self.jump is None else wb.gaussian.teleport(gaussian, x, first, self.times[0]).to(x.dtype)

    def ends(self, problem: Problem, gaussian: Gaussian | None) -> Tensor:
        """The samples; a stochastic method draws for each of them with a seed of its own."""
        x = self.begin(problem, gaussian)
        draws = [torch.Generator().manual_seed(10**6 + i) for i in range(len(x))] if self.solver.stochastic else None
        return wb.solve(problem.law, x, self.times, self.solver, generator=draws).x


@dataclass(frozen=True)
class Theirs:
    """A scheduler of diffusers on one of its spacings, with a budget."""

    scheduler: str
    spacing: tuple[tuple[str, Any], ...]
    settings: tuple[tuple[str, Any], ...]
    budget: int

    @property
    def about(self) -> dict[str, Any]:
        """In words and numbers."""
        method, grid = (", ".join(f"{key}={value}" for key, value in part) for part in (self.settings, self.spacing))
        return {"by": "diffusers", "method": f"{self.scheduler}({method})", "grid": grid, "jump": None}

    def evaluations(self, schedule: wb.schedules.Schedule) -> int:
        """At most these."""
        return self.budget

    def ends(self, problem: Problem, gaussian: Gaussian | None) -> Tensor | None:
        """The samples; None where the scheduler fails."""
        with torch.no_grad():
            return peers.ends(problem, self.scheduler, self.budget, **dict(self.spacing), **dict(self.settings))


def ways(
    solver: wb.solvers.Solver, budget: int, schedule: wb.schedules.Schedule, jumps: Iterable[float | None] = (None,), grids=GRIDS
) -> Iterator[Way]:
    """The longest grids to 0 that the budget pays for, from every jump (None: from the noise)."""
    for jump in jumps:
        start = schedule.t_first if jump is None else schedule.inverse_log_snr(-math.log(jump))
        for grid in grids:
            times = wb.solvers.grid_within(budget, solver, schedule, grid, start=start, stop=0.0)
            if times is not None:
                yield Way(solver, grid.__name__, tuple(times.tolist()), jump)


def named(name: str, several: Iterable[Way]) -> list[Way]:
    """The same under a name."""
    return [replace(way, name=name) for way in several]


def theirs(budget: int) -> dict[str, list[Theirs]]:
    """Every deterministic scheduler of diffusers with every spacing that it offers, by scheduler and settings."""
    out: dict[str, list[Theirs]] = {}
    for name, spacing, settings in peers.options():
        entrant = Theirs(name, tuple(spacing.items()), tuple(settings.items()), budget)
        out.setdefault(entrant.about["method"], []).append(entrant)
    return out


@dataclass(frozen=True, eq=False)
class Contest:
    """One model, noise to choose on, and noise to judge on.

    Attributes:
        chosen: the problem on which grids and jumps are chosen.
        judged: the same on other noise.
        gaussian: the law along whose flow entrants may jump; None where the model is itself that law.
        contrast: whether errors are in units of the standard deviation of the exact answer rather than of the data.
        kept: errors on the disk; its common key names the model.
    """

    chosen: Problem
    judged: Problem
    gaussian: Gaussian | None
    contrast: bool = False
    kept: Kept | None = None
    known: dict[Any, float] = field(default_factory=dict)

    def squares(self, entrant: Entrant, *, judged: bool = True) -> Tensor:
        """The mean square error of each sample, infinite where the entrant fails."""
        problem = self.judged if judged else self.chosen
        first = problem.law.schedule.t_first
        exact = problem.exact(first, 0.0)
        unit = float((exact - exact.mean()).square().mean()) if self.contrast else 1.0

        def make() -> tuple[dict[str, Any], dict[str, Tensor]]:
            ends = entrant.ends(problem, self.gaussian)
            if ends is None:
                return {}, {"squares": torch.full((len(exact),), math.inf, dtype=torch.float64)}
            found = (ends.double() - exact.double()).square().flatten(1).sum(1) / problem.entries / unit
            return {}, {"squares": found.nan_to_num(nan=math.inf)}

        if self.kept is None:
            return make()[1]["squares"]
        times = [float(f"{t:.9g}") for t in getattr(entrant, "times", ())]
        key = {
            **entrant.about,
            "evaluations": entrant.evaluations(problem.law.schedule),
            "times": times,
            "noise": problem.name,
            "judged": judged,
        }
        return self.kept.row(key, make)[1]["squares"]

    def error(self, entrant: Entrant) -> float:
        """Root mean square on the noise to choose on; measured once."""
        if entrant not in self.known:
            self.known[entrant] = float(self.squares(entrant, judged=False).mean().sqrt())
        return self.known[entrant]

    def best(self, entrants: Iterable[Entrant], most: int = 1) -> list[Entrant]:
        """The ones of smallest error on the noise to choose on, best first, without those that fail."""
        ranked = sorted(((self.error(entrant), i, entrant) for i, entrant in enumerate(entrants)), key=lambda one: one[:2])
        return [entrant for error, _, entrant in ranked[:most] if math.isfinite(error)]


@dataclass(frozen=True, eq=False)
class Line:
    """One line of the table: who, at which budget, and where; ``told`` is what is recorded."""

    contest: Contest
    where: str
    budget: int
    entrant: Entrant

    @property
    def told(self) -> dict[str, Any]:
        """The error on the noise it is judged on, and its standard error."""
        spent, found = self.entrant.evaluations(self.contest.judged.law.schedule), root(self.contest.squares(self.entrant))
        rounded = {name: float(f"{value:.4g}") for name, value in found.items()}
        return {"where": self.where, "budget": self.budget, **self.entrant.about, "evaluations": spent, **rounded}
