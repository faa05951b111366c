"""Where to put the steps: decreasing grids of n + 1 times, from noise to data, with exact end points.

``uniform`` and ``quadratic`` are literal in the schedule's own time.  The others place their points by noise level, so that they
mean the same on every schedule.  Grids in log-SNR cannot touch alpha = 0 or sigma = 0: there ``stop=0`` appends a 0 after
``schedule.t_last``, and a start with alpha = 0 is put before ``schedule.t_first``.  n = 1 is always [start, stop].
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule

Grid = Float[Tensor, "points"]


def uniform(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None) -> Grid:
    """Equal steps in t.  (A poor choice on VE, where t is the noise level.)

    Args:
        schedule: the noise schedule.
        n: number of steps; the grid has n + 1 points.
        start, stop: the ends, 0 <= stop < start; ``schedule.t_first`` and ``schedule.t_last`` if None.

    Raises:
        ValueError: for n < 1, or ends that are not in order or outside the schedule.
    """
    start, stop = _ends(schedule, n, start, stop)
    return _pinned(torch.linspace(start, stop, n + 1, dtype=torch.float64), start, stop)


def quadratic(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None) -> Grid:
    """Equal steps in sqrt(t): denser near the data.  Papers: ``song2021ddim``, ``zhang2023deis``."""
    start, stop = _ends(schedule, n, start, stop)
    return _pinned(torch.linspace(math.sqrt(start), math.sqrt(stop), n + 1, dtype=torch.float64) ** 2, start, stop)


def log_snr(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None) -> Grid:
    """Equal steps in lambda = log(alpha / sigma): the natural clock of exponential integrators.  Paper: ``lu2022dpmsolver``."""
    return _by_log_snr(schedule, n, start, stop, lambda first, last, m: torch.linspace(first, last, m, dtype=torch.float64))


def karras(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None, *, rho: float = 7.0) -> Grid:
    """Equal steps in (sigma / alpha)^(1 / rho).  Paper: ``karras2022edm`` (rho = 7).

    Restarting from the k-th point with n - k steps reproduces the rest of the grid, because the spacing is linear in that power.

    Raises:
        ValueError: also for rho that is not positive.
    """
    if not 0 < rho < math.inf:
        raise ValueError(f"rho must be positive, got {rho}; EDM uses 7")

    def place(first: float, last: float, m: int) -> Tensor:
        ramp = torch.linspace(math.exp(-first / rho), math.exp(-last / rho), m, dtype=torch.float64)
        return -rho * torch.log(ramp)

    return _by_log_snr(schedule, n, start, stop, place)


def exponential(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None, *, power: float = 1.0) -> Grid:
    """log(sigma / alpha) falls as ramp^power, ramp from 1 to 0.  power = 1 is :func:`log_snr`; larger powers crowd the clean end.

    Paper: ``karras2022edm`` (as extended in its community implementations under the name polyexponential).

    Raises:
        ValueError: also for a power that is not positive.
    """
    if not 0 < power < math.inf:
        raise ValueError(f"power must be positive, got {power}; 1 is log-uniform")

    def place(first: float, last: float, m: int) -> Tensor:
        return last + (first - last) * torch.linspace(1, 0, m, dtype=torch.float64) ** power

    return _by_log_snr(schedule, n, start, stop, place)


def cosine_angle(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None) -> Grid:
    """Equal steps in the angle theta = atan(sigma / alpha); on VP, DDIM turns a unit Gaussian by cos(step) each time.

    The angle is finite at both ends (0 at sigma = 0, pi/2 at alpha = 0), so they are taken literally.
    """
    start, stop = _ends(schedule, n, start, stop)
    angle = torch.linspace(_angle(schedule, start), _angle(schedule, stop), n + 1, dtype=torch.float64)
    return _from_ratio(schedule, torch.tan(angle), start, stop)


def flow_shift(schedule: Schedule, n: int, start: float | None = None, stop: float | None = None, *, shift: float = 3.0) -> Grid:
    """Equal steps in u = sigma / (sigma + alpha), then u <- shift u / (1 + (shift - 1) u): sigma / alpha times ``shift``.

    The ends are those asked for, after the shift.  On ``Rectified`` from 1 to 0 this is the grid of ``esser2024sd3``.

    Raises:
        ValueError: also for a shift that is not positive.
    """
    if not 0 < shift < math.inf:
        raise ValueError(f"shift must be positive, got {shift}; 1 leaves the grid alone, 3 is common for images")
    start, stop = _ends(schedule, n, start, stop)

    def unshifted(t: float) -> float:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return sigma / (sigma + shift * alpha)

    u = torch.linspace(unshifted(start), unshifted(stop), n + 1, dtype=torch.float64)
    return _from_ratio(schedule, shift * u / (1 - u), start, stop)


ALL = (uniform, quadratic, log_snr, karras, exponential, cosine_angle, flow_shift)


def _ends(schedule: Schedule, n: int, start: float | None, stop: float | None) -> tuple[float, float]:
    if not isinstance(schedule, Schedule):
        raise TypeError(f"a grid needs a schedule such as wb.schedules.VP(), got {schedule!r}")
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"a grid needs n >= 1 steps, as an int; got {n!r}")
    start = schedule.t_first if start is None else float(start)
    stop = schedule.t_last if stop is None else float(stop)
    if not 0 <= stop < start <= schedule.t_max:
        raise ValueError(
            f"a grid runs from noise to data, 0 <= stop < start <= {schedule.t_max} on {type(schedule).__name__}; "
            f"got start={start}, stop={stop} (to go the other way, use grid.flip(0))"
        )
    if not math.isfinite(start):
        raise ValueError(f"start must be finite, got {start}")
    return start, stop


def _angle(schedule: Schedule, t: float) -> float:
    return math.atan2(schedule.sigma(t), schedule.alpha(t))


def _pinned(grid: Tensor, start: float, stop: float) -> Tensor:
    grid[0], grid[-1] = start, stop
    if not bool((grid.diff() < 0).all()):
        raise ValueError(
            f"{len(grid) - 1} steps between {start} and {stop} are too close to tell apart; use fewer or widen the range"
        )
    return grid


def _from_ratio(schedule: Schedule, ratio: Tensor, start: float, stop: float) -> Tensor:
    """Times of the noise-to-signal ratios sigma / alpha; the ends are overwritten, so they may be 0 or infinite."""
    inner = -torch.log(ratio[1:-1])
    ends = torch.tensor([start, stop], dtype=torch.float64)
    return _pinned(torch.cat([ends[:1], schedule.inverse_log_snr(inner), ends[1:]]), start, stop)


def _by_log_snr(schedule: Schedule, n: int, start, stop, place: Callable[[float, float, int], Tensor]) -> Tensor:
    """Put points between the finite ends with ``place(lambda_first, lambda_last, m)``; add the singular ends as they are."""
    start, stop = _ends(schedule, n, start, stop)
    top, bottom = schedule.alpha(start) == 0, stop == 0
    first = schedule.t_first if top else start
    last = schedule.t_last if bottom else stop
    m = n + 1 - top - bottom
    if m > 1 and not last < first:
        raise ValueError(
            f"between start={start} and stop={stop} there is no room in log-SNR: with stop = 0 the last positive time is "
            f"t_last = {schedule.t_last}, and with alpha(start) = 0 the second is t_first = {schedule.t_first}; use grids.uniform"
        )
    if m <= 0:
        inner = torch.empty(0, dtype=torch.float64)
    elif m == 1:
        inner = torch.tensor([_alone(schedule, first, last, top, bottom)], dtype=torch.float64)
    else:
        times = schedule.inverse_log_snr(place(schedule.log_snr(first), schedule.log_snr(last), m))
        inner = _pinned(times, first, last)
    edges = [torch.tensor([start] * top, dtype=torch.float64), inner, torch.tensor([0.0] * bottom, dtype=torch.float64)]
    return _pinned(torch.cat(edges), start, stop)


def _alone(schedule: Schedule, first: float, last: float, top: bool, bottom: bool) -> float:
    """The only point with a finite log-SNR: an end that was asked for, or half-way in log-SNR between two that were not."""
    if top and bottom:
        return schedule.inverse_log_snr(0.5 * (schedule.log_snr(first) + schedule.log_snr(last)))
    return last if top else first
