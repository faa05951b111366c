"""From an end point to a clean sample, back to the noise that made it, and between two such noises."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bridges.dbim import DBIM
from workbench.bridges.pairs import Pairs, check_pinned
from workbench.bridges.pinned import check_ends
from workbench.denoiser import Denoiser
from workbench.draws import Generators, check_generators, normal
from workbench.solution import Solution, check_state
from workbench.solve import check_grid, solve
from workbench.solvers.base import Solver

Times = Float[Tensor, "points"] | Sequence[float]


def translate(
    model: Pairs | Denoiser,
    end: Float[Tensor, "batch *shape"],
    grid: Times,
    solver: Solver | None = None,
    *,
    noise: Float[Tensor, "batch *shape"] | None = None,
    generator: Generators | None = None,
    trajectory: bool = False,
) -> Solution:
    """Sample x_0 given x_T = ``end``: ``solve`` on the shifted state, from noise at grid[0], handed back as x.

    On a grid from T the first step is DBIM's: x_0 is predicted from x_T alone, and the bridge is entered at grid[1] with the booting
    noise.  A grid from T over N further times to 0 takes N + 1 evaluations with any solver of one evaluation a step.

    Args:
        model: has a bridge schedule and ``given(end)``: pairs, or a network trained on them.
        end: the end points x_T.
        grid: decreasing times; T, t_1, ..., and 0 to finish with the data prediction.
        solver: ``DBIM()`` if None; any solver of the book.
        noise: the booting noise, standard normal, or None to draw it from ``generator``.
        generator: for the booting noise, and for the noise of a stochastic solver.
        trajectory: keep the states x_t at every grid point.

    Returns:
        The ``Solution`` with x and xs in the bridge's own coordinates.

    Raises:
        ValueError, TypeError: for bad end points, grids or noise, before the model is called.
    """
    times, schedule = _checked(model, end, grid)
    if noise is None:
        check_generators(generator, len(end), "translate")
        noise = normal(end.shape, generator, end.dtype, end.device)
    check_ends(noise, end)
    start = schedule.sigma(times[0]) * noise
    run = solve(model.given(end), start, times, solver or DBIM(), generator=generator, trajectory=trajectory)
    states = run.xs
    if states is not None:
        states = torch.stack([schedule.placed(y, end, t) for y, t in zip(states, times, strict=True)])
    return replace(run, x=schedule.placed(run.x, end, times[-1]), xs=states)


def encode(
    model: Pairs | Denoiser,
    x0: Float[Tensor, "batch *shape"],
    end: Float[Tensor, "batch *shape"],
    grid: Times,
    solver: Solver | None = None,
) -> Solution:
    """The booting noise from which :func:`translate` makes ``x0``, by running the same grid the other way.

    x0 is taken for the state at the last positive time; at the far end the prediction from x_T alone is taken away,
    z = (y - alpha D(x_T, T)) / sigma.  As many evaluations as ``translate`` on the grid without its 0.

    Args:
        model, end: as for :func:`translate`.
        x0: the samples.
        grid: decreasing times from T, as for :func:`translate`; a last 0 is left out.
        solver: deterministic, ``DBIM()`` if None.

    Returns:
        The ``Solution`` whose x is the noise.

    Raises:
        ValueError, TypeError: as :func:`translate`; for a grid that does not start at T, or has fewer than two further positive times.
    """
    times, schedule = _checked(model, end, grid)
    check_ends(x0, end)
    inner = [t for t in times[1:] if t > 0]
    if schedule.alpha(times[0]) != 0 or len(inner) < 2:
        raise ValueError(f"encode needs a grid from T = {schedule.t_max} with at least two further positive times, got {times}")
    bound, up = model.given(end), inner[::-1]
    run = solve(bound, schedule.shifted(x0, end, up[0]), up, solver or DBIM())
    with torch.no_grad():
        guess = bound.data(torch.zeros_like(end), times[0])
    noise = (run.x - schedule.alpha(up[-1]) * guess) / schedule.sigma(up[-1])
    return replace(run, x=noise, evaluations=run.evaluations + 1)


def between(first: Float[Tensor, "batch *shape"], second: Float[Tensor, "batch *shape"], share: float | int) -> Tensor:
    """cos(u) first + sin(u) second with u = share pi / 2: of two independent standard normal noises again one, for every share in [0, 1].

    Raises:
        ValueError: for two shapes, or a share outside [0, 1].
    """
    check_ends(first, second)
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], got {share}; 0 is the first noise, 1 the second")
    return math.cos(0.5 * math.pi * share) * first + math.sin(0.5 * math.pi * share) * second


def _checked(model, end: Tensor, grid: Times):
    check_pinned(getattr(model, "schedule", None), type(model).__name__)
    check_state(end)
    times = check_grid(grid, model.schedule, DBIM())
    if times[0] < times[-1]:
        raise ValueError(f"the grid increases; translate and encode both take the decreasing grid of the translation, got {times}")
    return times, model.schedule
