"""Time-Shift sampling: look at the state, and ask the network about the noise level that the state seems to have.

After the first step the variance v of each state over its own entries is compared with the variance that a state at the time tau
should have, and the best tau within a window around the nominal time is taken:

    tau = argmin |v - (alpha_tau^2 v0 + sigma_tau^2)|,      |tau - t| <= window / 2,   wherever t > cutoff.

The published rule has v0 = 0, that is, 1 - alpha-bar on a variance-preserving schedule: it leaves out what the data contribute.  On a
correct state it then finds a tau that is too noisy, and where the data have variance 1 it finds the noisier end of any window.  With
v0 measured on data (:func:`variance_of_samples`) a correct state keeps its time; this correction is the book's own.

Two things are done with tau:

    "condition"  (the paper)             noise(x_t, tau) stands for noise(x_t, t); the solver steps from t to s as always
    "target"     (the released programs) the state at t chooses a tau near s, where the step ends; the next one starts at s all the same

Neither asks the network more often.  Neither converges: with an exact model and ever shorter steps the shift stays.

Book: ``solvers/two_kinds_of_error``.  Paper: ``li2024timeshift``.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, combine, conversion, per_sample
from workbench.schedules import Schedule
from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM

TIE = 1e-12  # relative to v: closer than this, two times explain a state equally well


class Row(NamedTuple):
    """A row of the inner solver, and from where to where it leads; ``first`` for the step that is never shifted."""

    t: float
    s: float
    first: bool
    inner: Any


@dataclass(frozen=True)
class TimeShift(Solver):
    """Another solver, whose network is asked at (or whose steps end at) times read off the states.

    Every sample has a tau of its own, found by trying ``tries`` equidistant times; of equally good ones the nearest to t.  Every
    evaluation after the first step is shifted, those inside a step too.  The finish at t = 0 belongs to ``solve`` and is not.
    In mode "target" the chord of the step in the plane of sigma / alpha and x / alpha is followed to tau instead of s, which for
    DDIM and iPNDM is their own step to tau.

    Args:
        solver: any solver with a plan; in mode "target" a deterministic one.
        window: full width, in the schedule's own t (30 of 1000 levels are 0.03); 0 shifts nothing.
        cutoff: shift only above this time; at least window / 2.
        mode: "condition" or "target", see above.
        variance: v0, the mean variance of a sample of the data over its entries; 0 is the published rule.
        tries: how many times of the window are compared, an odd number.

    Raises:
        TypeError: for a solver that is none.
        ValueError: for a bad setting; when planning, for a window that leaves the schedule; when stepping, for states with one entry.
    """

    solver: Solver = DDIM()
    window: float | int = 0.03
    cutoff: float | int = 0.3
    mode: Literal["condition", "target"] = "condition"
    variance: float | int = 0.0
    tries: int = 31
    paper = "li2024timeshift"
    other_names = ("Time-Shift", "TS-DDIM", "TS-DPM")

    def __post_init__(self) -> None:
        if not isinstance(self.solver, Solver):
            raise TypeError(f"TimeShift works around a solver such as DDIM(), got {self.solver!r}")
        if self.mode not in ("condition", "target"):
            raise ValueError(f"mode must be 'condition' (the paper) or 'target' (the released programs), got {self.mode!r}")
        if not 0 <= self.window < float("inf") or not self.window / 2 <= self.cutoff < float("inf"):
            raise ValueError(
                f"got window={self.window}, cutoff={self.cutoff}; needs window >= 0 and cutoff >= window / 2, in the schedule's t, "
                "so that the window around a shifted time stays above 0"
            )
        if not 0 <= self.variance < float("inf"):
            raise ValueError(f"variance is that of the data, at least 0 (0: the published rule); got {self.variance}")
        if isinstance(self.tries, bool) or not isinstance(self.tries, int) or self.tries < 3 or self.tries % 2 == 0:
            raise ValueError(f"tries must be an odd number of at least 3, so that t itself is among them; got {self.tries!r}")
        if self.mode == "target" and self.solver.stochastic:
            raise ValueError(
                f"mode 'target' follows the chord of a step, and {type(self.solver).__name__} draws noise on it; use mode 'condition'"
            )

    @property
    def order(self) -> float:
        """That of the solver."""
        return self.solver.order

    @property
    def global_order(self) -> float:
        """0: the shift does not vanish with the step.  Without a window that of the solver."""
        return 0 if self.window else self.solver.global_order

    @property
    def evaluations_per_step(self) -> int:
        """Those of the solver: none are added."""
        return self.solver.evaluations_per_step

    @property
    def stochastic(self) -> bool:
        """Whether the solver draws noise."""
        return self.solver.stochastic

    def evaluations(self, steps: int, *, to_zero: bool = True) -> int:
        """Those of the solver."""
        return self.solver.evaluations(steps, to_zero=to_zero)

    def plan(self, schedule, grid) -> list[Row]:
        """The solver's plan, once the windows are known to lie within the schedule."""
        highest = max(grid.tolist()[1:])
        if highest > self.cutoff and highest + self.window / 2 > schedule.t_max * (1 + 1e-12):
            raise ValueError(
                f"the window of width {self.window} around t = {highest} leaves {type(schedule).__name__}, which ends at "
                f"{schedule.t_max}; take a window of at most {2 * (schedule.t_max - highest):.3g}, a longer first step, or a lower cutoff"
            )
        steps = zip(pairwise(grid.tolist()), self.solver.plan(schedule, grid), strict=True)
        return [Row(t, s, i == 0, inner) for i, ((t, s), inner) in enumerate(steps)]

    def step(self, model, x: Tensor, row: Row, memory: Any, draw) -> tuple[Tensor, Any]:
        """The solver's step with a shifted network, or its step drawn out to a shifted target."""
        if x[0].numel() < 2:
            raise ValueError(f"a state of shape {tuple(x.shape)} has one entry a sample and no variance over entries to read")
        if row.first or not self.window:
            return self.solver.step(model, x, row.inner, memory, draw)
        if self.mode == "condition":
            return self.solver.step(_Shifted(model, self), x, row.inner, memory, draw)
        out, memory = self.solver.step(model, x, row.inner, memory, draw)
        return (self._elsewhere(model.schedule, x, out, row) if row.s > self.cutoff else out), memory

    def times(self, schedule: Schedule, x: Float[Tensor, "batch *shape"], t: float) -> Float[Tensor, "batch"]:
        """tau for each sample: where in the window around t its variance is what it should be."""
        key = ("time shift", t, self.window, self.tries, self.variance)
        if (known := schedule.memo.get(key)) is None:
            reach = self.tries // 2
            offsets = sorted(range(-reach, reach + 1), key=abs)  # the nearest first
            tried = t + torch.tensor(offsets, dtype=torch.float64) * (self.window / 2 / reach)
            tried = tried.clamp(max=schedule.t_max)
            known = schedule.remember(key, (tried, expected_variance(schedule, tried, self.variance)))
        tried, expected = known
        seen = x.detach().flatten(1).double().var(1).cpu()[:, None]
        off = (seen - expected).abs()
        return tried[(off <= off.amin(1, keepdim=True) + TIE * seen).to(torch.uint8).argmax(1)]

    def _elsewhere(self, schedule: Schedule, x: Tensor, out: Tensor, row: Row) -> Tensor:
        """Where the chord from x at row.t through ``out`` at row.s is at tau."""
        tau = self.times(schedule, x, row.s)
        rho = [schedule.sigma(time) / schedule.alpha(time) for time in (row.t, row.s, tau)]
        along = (rho[2] - rho[0]) / (rho[1] - rho[0])
        alpha = schedule.alpha(tau)
        first = per_sample(alpha * (1 - along) / schedule.alpha(row.t), x)
        return first * x + per_sample(alpha * along / schedule.alpha(row.s), x) * out


class _Shifted(Denoiser):
    """A model whose noise prediction is taken at the shifted times; its other faces follow from it at the nominal one."""

    def __init__(self, model, rule: TimeShift) -> None:
        self.model, self.schedule, self.predicts, self.rule = model, model.schedule, "noise", rule

    def predict(self, x: Tensor, t: float) -> Tensor:
        """The native face."""
        return self.face(self.predicts, x, t)

    def face(self, target: str, x: Tensor, t: float) -> Tensor:
        """At the shifted times, where the cutoff lets it."""
        if t <= self.rule.cutoff:
            return getattr(self.model, target)(x, t)
        noise = self.model.noise(x, self.rule.times(self.schedule, x, t))
        return noise if target == "noise" else combine(conversion(self.schedule, "noise", target, t), x, noise)


def expected_variance(schedule: Schedule, t: float | Tensor, variance: float | int) -> float | Tensor:
    """alpha^2 v0 + sigma^2: the mean variance over the entries of x_t when that of the data is ``variance``; exact for any data."""
    return schedule.alpha(t) ** 2 * variance + schedule.sigma(t) ** 2


def variance_of_samples(x0: Float[Tensor, "samples *shape"]) -> float:
    """v0: the variance of a sample over its own entries (around their own mean, with 1 / (d - 1)), averaged over samples.

    Raises:
        ValueError: for samples with one entry, or none.
    """
    if x0.ndim < 2 or not len(x0) or x0[0].numel() < 2:
        raise ValueError(f"got data of shape {tuple(x0.shape)}; needs (samples, *shape) with at least two entries a sample")
    return float(x0.flatten(1).double().var(1).mean())
