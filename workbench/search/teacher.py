"""The many-step trajectory that a search of solvers measures against, at the points of the grid it is about."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.schedules import Schedule
from workbench.solution import check_state
from workbench.solve import check_grid, check_model, solve
from workbench.solvers.base import Solver
from workbench.solvers.unipc import UniPC


def finer(schedule: Schedule, grid: Float[Tensor, "points"], refine: int) -> Float[Tensor, "fine"]:
    """Each step of the grid cut into ``refine``, equal in lambda (in t where lambda is infinite at the noisy end).

    A last step to 0 is cut on the way to ``schedule.t_last``, where the data prediction takes over; if the grid is there already it stays
    one step.
    """
    times = grid.tolist()
    to_zero, fine = times[-1] == 0, [times[0]]
    stops = times[1:-1] + ([schedule.t_last] if to_zero and times[-2] > schedule.t_last else []) if to_zero else times[1:]
    for stop in stops:
        start = fine[-1]
        if math.isfinite(schedule.log_snr(start)):
            inner = torch.linspace(schedule.log_snr(start), schedule.log_snr(stop), refine + 1, dtype=torch.float64)[1:-1]
            fine += [schedule.inverse_log_snr(float(clock)) for clock in inner]
        else:
            fine += torch.linspace(start, stop, refine + 1, dtype=torch.float64)[1:-1].tolist()
        fine.append(stop)
    return torch.tensor(fine + [0.0] * to_zero, dtype=torch.float64)


def trajectory(
    model: Denoiser,
    x: Float[Tensor, "batch *shape"],
    grid: Float[Tensor, "points"],
    *,
    refine: int = 16,
    solver: Solver | None = None,
) -> tuple[Float[Tensor, "points batch *shape"], int]:
    """The states at the points of ``grid`` by a run with many steps, and how often the model was asked.

    Args:
        model: the denoiser.
        x: the states at grid[0].
        grid: the times, decreasing.
        refine: small steps in each step of the grid.
        solver: what takes them; by default ``UniPC(order=3)``.

    Raises:
        ValueError: for refine below 1.
    """
    if isinstance(refine, bool) or not isinstance(refine, int) or refine < 1:
        raise ValueError(f"refine is the number of small steps in each step of the grid, at least 1, got {refine!r}")
    fine = finer(model.schedule, grid, refine)
    run = solve(model, x, fine, UniPC(order=3) if solver is None else solver, trajectory=True)
    places = torch.searchsorted(-fine, -grid)
    return run.xs[places], run.evaluations


def check_task(model: Denoiser, grid: Tensor, x: Tensor, held_out: Tensor, solver: Solver) -> Float[Tensor, "points"]:
    """The grid as a tensor of float64.

    Raises:
        TypeError, ValueError: for a model, a grid or states that cannot be sampled, or an increasing grid.
    """
    check_model(model)
    times = torch.tensor(check_grid(grid, model.schedule, solver), dtype=torch.float64)
    if times[0] < times[-1]:
        raise ValueError(
            f"the search is for sampling, from noise to data; got the increasing grid {times.tolist()}: turn it around"
        )
    for states in (x, held_out):
        check_state(states)
    if x.shape[1:] != held_out.shape[1:]:
        raise ValueError(
            f"x has samples of shape {tuple(x.shape[1:])}, held_out of {tuple(held_out.shape[1:])}; draw both from schedule.prior "
            "with the same shape"
        )
    if x.shape == held_out.shape and bool((x == held_out).all()):
        raise ValueError("held_out is x itself; what is found must be judged on other noise: draw it with another seed")
    return times


def distance(end: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference, in float64."""
    return (end.double() - wanted.double()).square().mean()


def miss(model: Denoiser, x: Tensor, grid: Tensor, solver: Solver, wanted: Tensor) -> tuple[float, int]:
    """How far the end of a run is from where it should be, mean squared, and how often the model was asked."""
    run = solve(model, x, grid, solver)
    return float(distance(run.x, wanted)), run.evaluations
