"""DPM-Solver++(2M): the published formula, diffusers' scheduler, and the exact integral of the line."""

import math

import pytest
import torch
from helpers import PRESERVING, SCHEDULES, SHIFTED, Mixture, lam, levels, name
from schedulers import drive, scheduler
from scipy.integrate import quad

import workbench as wb
from workbench import solvers

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


@every
@pytest.mark.parametrize("face", ["data", "noise"])
def test_the_line_is_integrated_exactly(schedule, face) -> None:
    """Weights of "taylor" by quadrature of e^(+-l) times each Lagrange polynomial."""
    grid = wb.grids.karras(schedule, 4)
    rows = solvers.DPMSolverPP2M(correction="taylor", face=face).plan(schedule, grid)
    for i in range(1, 4):
        before, t, s = (lam(schedule, grid[i + j].item()) for j in (-1, 0, 1))
        alpha, sigma = levels(schedule, grid[i + 1].item())
        scale, sign = (sigma, 1) if face == "data" else (-alpha, -1)
        line = quad(lambda u: scale * math.exp(sign * u) * (u - before) / (t - before), t, s, epsrel=1e-12)[0]  # noqa: B023
        past = quad(lambda u: scale * math.exp(sign * u) * (u - t) / (before - t), t, s, epsrel=1e-12)[0]  # noqa: B023
        assert rows[i].past == pytest.approx((line, past), rel=1e-8)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@pytest.mark.parametrize(("face", "algorithm"), [("data", "dpmsolver++"), ("noise", "dpmsolver")])
@pytest.mark.parametrize(("correction", "kind"), [("midpoint", "midpoint"), ("taylor", "heun")])
def test_as_diffusers_has_it(schedule, face, algorithm, correction, kind) -> None:
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 9, stop=2 * schedule.t_last)
    theirs = scheduler(
        "DPMSolverMultistep", algorithm_type=algorithm, solver_type=kind, final_sigmas_type="sigma_min", lower_order_final=False
    )
    got = wb.solve(model, X, grid, solvers.DPMSolverPP2M(correction=correction, face=face)).x
    torch.testing.assert_close(got, drive(theirs, model, X, grid), rtol=0, atol=2e-6)


def test_descent_at_the_end() -> None:
    grid = wb.grids.log_snr(wb.schedules.VP(), 5)
    rows = solvers.DPMSolverPP2M(final_order=1).plan(wb.schedules.VP(), grid)
    assert [len(row.past) for row in rows] == [1, 2, 2, 2, 1]


def test_messages() -> None:
    for make, message in (
        (lambda: solvers.DPMSolverPP2M(correction="heun"), "correction"),
        (lambda: solvers.DPMSolverPP2M(face="score"), "face"),
        (lambda: solvers.DPMSolverPP2M(final_order=0), "at least 1"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
