"""DPM-Solver and DPM-Solver++ singlestep: the same methods under other names, and the schedulers of diffusers."""

import itertools
import math

import pytest
import torch
from helpers import PRESERVING, SCHEDULES, SHIFTED, VE, Mixture, lam, levels, name
from schedulers import drive, scheduler

import workbench as wb
from workbench import solvers

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
faces = pytest.mark.parametrize(("face", "algorithm"), [("data", "dpmsolver++"), ("noise", "dpmsolver")])


def run(schedule, grid, solver) -> torch.Tensor:
    return wb.solve(Mixture(schedule, SHIFTED), schedule.sigma(float(grid[0])) * X, grid, solver).x


@every
def test_first_order_is_ddim_in_either_face(schedule) -> None:
    grid = wb.grids.karras(schedule, 6)
    for face in ("noise", "data"):
        torch.testing.assert_close(
            run(schedule, grid, solvers.DPMSolver(1, face)), run(schedule, grid, solvers.DDIM()), rtol=1e-10, atol=1e-11
        )


@every
def test_the_plus_plus_names_are_the_data_form(schedule) -> None:
    grid = wb.grids.karras(schedule, 4)
    for correction in ("midpoint", "taylor"):
        for plus, plain in (
            (solvers.DPMSolverPP2S(correction=correction, r1=0.4), solvers.DPMSolver(2, "data", correction, 0.4)),
            (solvers.DPMSolverPP3S(correction=correction), solvers.DPMSolver(3, "data", correction)),
            (solvers.DPMSolverPP3S("noise", correction, 0.2, 0.7), solvers.DPMSolver(3, "noise", correction, 0.2, 0.7)),
        ):
            assert plus.plan(schedule, grid) == plain.plan(schedule, grid)
            assert plus.paper == "lu2022dpmpp" and plain.paper == "lu2022dpmsolver"


def test_half_way_in_log_sigma_is_what_k_diffusion_calls_dpm_2() -> None:
    """Euler to the geometric mean of two noise levels, then the whole step with the slope found there."""
    schedule = VE()
    model, grid = Mixture(schedule, SHIFTED), wb.grids.karras(schedule, 7)
    x = y = 80.0 * X
    for t, s in itertools.pairwise(grid.tolist()):
        middle = math.exp(0.5 * (math.log(t) + math.log(s)))
        inner = y + (middle - t) * model.answer("noise", y, t)
        y = y + (s - t) * model.answer("noise", inner, middle)
    torch.testing.assert_close(wb.solve(model, x, grid, solvers.DPMSolver(2)).x, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@faces
@pytest.mark.parametrize(("correction", "kind"), [("midpoint", "midpoint"), ("taylor", "heun")])
@pytest.mark.parametrize("place", [wb.grids.log_snr, wb.grids.karras], ids=lambda place: place.__name__)
def test_second_order_as_diffusers_has_it(schedule, face, algorithm, correction, kind, place) -> None:
    """Theirs lists inner points too: one of our steps for two of theirs, with the ratio that their grid happens to have."""
    model, fine = Mixture(schedule, SHIFTED), place(schedule, 8, stop=2 * schedule.t_last)
    theirs = scheduler(
        "DPMSolverSinglestep",
        solver_order=2,
        algorithm_type=algorithm,
        solver_type=kind,
        final_sigmas_type="sigma_min",
        lower_order_final=False,
    )
    x, times = X, fine.tolist()
    for t, inner, s in zip(times[::2], times[1::2], times[2::2], strict=False):
        r1 = (lam(schedule, inner) - lam(schedule, t)) / (lam(schedule, s) - lam(schedule, t))
        x = wb.solve(model, x, [t, s], solvers.DPMSolver(2, face, correction, r1)).x
    torch.testing.assert_close(x, drive(theirs, model, X, fine), rtol=0, atol=3e-6)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@faces
def test_third_order_as_diffusers_has_it(schedule, face, algorithm) -> None:
    model, fine = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 12, stop=2 * schedule.t_last)
    settings = {"solver_order": 3, "algorithm_type": algorithm, "final_sigmas_type": "sigma_min", "lower_order_final": False}
    theirs = drive(scheduler("DPMSolverSinglestep", solver_type="heun", **settings), model, X, fine)
    got = wb.solve(model, X, fine[::3], solvers.DPMSolver(3, face, "taylor")).x
    torch.testing.assert_close(got, theirs, rtol=0, atol=3e-6)

    # "midpoint" of diffusers reaches its second inner point by the second-order *midpoint* step; the paper integrates the line there
    theirs = drive(scheduler("DPMSolverSinglestep", solver_type="midpoint", **settings), model, X, fine)
    x = X
    for t, s in itertools.pairwise(fine[::3].tolist()):
        row = solvers.DPMSolver(3, face).plan(schedule, torch.tensor([t, s], dtype=torch.float64))[0]
        inner = solvers.DPMSolver(2, face).plan(schedule, torch.tensor([t, row.stages[2].t], dtype=torch.float64))[0].final
        row = row._replace(stages=(*row.stages[:2], inner))
        x, _ = solvers.DPMSolver(3, face).step(model, x, row, None, None)
    torch.testing.assert_close(x, theirs, rtol=0, atol=3e-6)
    assert (wb.solve(model, X, fine[::3], solvers.DPMSolver(3, face)).x - theirs).abs().max() > 1e-4


@every
def test_after_scaling_every_schedule_is_the_same(schedule) -> None:
    """x / alpha against sigma / alpha: the run on any schedule is the run on VE."""
    grid = wb.grids.log_snr(schedule, 5)
    ratio = [levels(schedule, t)[1] / levels(schedule, t)[0] for t in grid.tolist()]
    first, last = levels(schedule, float(grid[0]))[0], levels(schedule, float(grid[-1]))[0]
    for solver in (solvers.DPMSolver(3), solvers.DPMSolverPP3S(r1=0.2, r2=0.9), solvers.DPMSolverFast(0)):
        here = wb.solve(Mixture(schedule, SHIFTED), first * X, grid, solver).x / last
        there = wb.solve(Mixture(VE(), SHIFTED), X, ratio, solver).x
        torch.testing.assert_close(here, there, rtol=1e-8, atol=1e-8)
