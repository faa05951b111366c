"""Guided sampling: exact where a guided flow has a closed form, of full order there, and finite everywhere else."""

import math

import pytest
import torch
from helpers import label, levels, name
from scipy.integrate import quad

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, Rectified

SCHEDULES = [VP(), VE(), Rectified()]
DETERMINISTIC = [solver for solver in solvers.ALL if not solver.stochastic]
WIDE, NARROW = (0.3, 1.5), (1.1, 0.4)  # mean and variance, unconditional and conditional
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


def pair(schedule, scale, wide=WIDE, narrow=NARROW):
    """Guidance between two 1-D Gaussians."""
    laws = [wb.gaussian.GaussianDenoiser(torch.tensor([m], dtype=torch.float64), v, schedule) for m, v in (narrow, wide)]
    return wb.Guided(*laws, scale)


def exact(schedule, scale, x, t, s, wide=WIDE, narrow=NARROW):
    """dy/drho = (1 - w) E_u + w E_c is linear in y = x / alpha: its solution with an integrating factor and quadrature."""
    (m_u, v_u), (m_c, v_c), w = wide, narrow, scale
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    start, stop = b / a, d / c

    def shape(rho):
        return (v_u + rho**2) ** ((1 - w) / 2) * (v_c + rho**2) ** (w / 2)

    def pull(rho):
        return -rho * ((1 - w) * m_u / (v_u + rho**2) + w * m_c / (v_c + rho**2)) / shape(rho)

    along = quad(lambda u: pull(math.exp(u)) * math.exp(u), math.log(start), math.log(stop), epsabs=1e-13, epsrel=1e-13)[0]
    return c * shape(stop) * (x / a / shape(start) + along)


def ends(schedule):
    return (20.0, 0.05) if isinstance(schedule, VE) else (0.95, 0.02)


X = torch.tensor([[-1.4], [0.2], [0.9], [2.1]], dtype=torch.float64)


def begin(schedule):
    return math.hypot(*levels(schedule, ends(schedule)[0])) * X


@every
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_the_formula_holds_without_guidance(schedule, scale) -> None:
    """Scale 0 and 1 are the flows of the two Gaussians, known independently."""
    model, (start, stop) = pair(schedule, scale), ends(schedule)
    law = model.conditional if scale else model.unconditional
    torch.testing.assert_close(
        exact(schedule, scale, begin(schedule), start, stop), law.flow(begin(schedule), start, stop), rtol=1e-10, atol=1e-10
    )


@every
@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_the_reference_reaches_the_closed_form(schedule, scale) -> None:
    start, stop = ends(schedule)
    run = solvers.reference(pair(schedule, scale), begin(schedule), start, stop, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(run.x, exact(schedule, scale, begin(schedule), start, stop), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("solver", {type(solver): solver for solver in DETERMINISTIC}.values(), ids=label)
def test_every_solver_keeps_its_order_under_guidance(solver) -> None:
    """One of each class: what its settings do to the order is measured without guidance."""
    schedule, scale = VP(), 3.0
    start, stop = ends(schedule)
    wanted, errors = exact(schedule, scale, begin(schedule), start, stop), []
    for n in (40, 80):
        run = wb.solve(pair(schedule, scale), begin(schedule), wb.grids.log_snr(schedule, n, start, stop), solver)
        errors.append((run.x - wanted).abs().max().item())
        assert run.network_calls == 2 * run.evaluations
    assert math.log2(errors[0] / errors[1]) > solver.global_order - 0.4, errors


def test_equal_variances_extrapolate_the_mean() -> None:
    """Then guiding is the flow of N(m_u + w (m_c - m_u), v), and it does sample the tilted law."""
    wide, narrow, schedule = (0.3, 0.7), (1.1, 0.7), VP()
    moved = wb.gaussian.GaussianDenoiser(torch.tensor([0.3 + 4 * 0.8], dtype=torch.float64), 0.7, schedule)
    model, x = pair(schedule, 4.0, wide, narrow), begin(schedule)
    for t in (0.1, 0.5, 0.9):
        torch.testing.assert_close(model.data(x, t), moved.data(x, t), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(exact(schedule, 4.0, x, 0.95, 0.02, wide, narrow), moved.flow(x, 0.95, 0.02), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [2.0, 4.0, 8.0])
def test_the_variance_of_guided_samples(scale) -> None:
    """From much noise: V_u^(1 - w) V_c^w, below the 1 / ((1 - w) / V_u + w / V_c) of the tilted law."""
    schedule, (v_u, v_c) = VE(), (1.5, 0.4)
    model = pair(schedule, scale, (0.0, v_u), (0.0, v_c))
    grid = wb.grids.log_snr(schedule, 120, 2000.0, 1e-3)
    gain = (wb.solve(model, torch.tensor([[1.0]]).double(), grid, solvers.RK4()).x / 1.0).item()
    spread = (gain * 2000.0) ** 2
    assert spread == pytest.approx(v_u ** (1 - scale) * v_c**scale, rel=1e-3)
    assert spread < 1 / ((1 - scale) / v_u + scale / v_c)


@every
@pytest.mark.parametrize("solver", solvers.ALL, ids=label)
def test_strong_guidance_stays_finite(solver, schedule) -> None:
    """Scale 8 between a class of the ring and the ring, at both ends of the schedule, for few and for many steps."""
    ring = wb.characters.ring(schedule)
    model = wb.Guided(ring.given(3), ring, 8.0)
    start = schedule.t_max if schedule.t_max < math.inf else schedule.t_first
    x = schedule.prior((2, 2), start, generator=torch.Generator().manual_seed(0))
    for n, stop in ((2, schedule.t_last), (8, 0.0)):
        grid = wb.grids.log_snr(schedule, n, start, stop)
        run = wb.solve(model, x, grid, solver, generator=torch.Generator().manual_seed(1))
        assert bool(run.x.isfinite().all()), (n, stop)
        assert run.network_calls == 2 * run.evaluations


def test_guidance_on_the_classes_of_cifar10() -> None:
    """Scale 1 follows the exact flow of one Gaussian a class; scale 8 stays finite, and thresholded within the range."""
    schedule = VP()
    law = wb.characters.classes(schedule, 256)
    one, x = law.given(range(9)), wb.characters.nine(schedule)
    grid = wb.grids.log_snr(schedule, 20)
    got = wb.solve(wb.Guided(one, law, 1.0), x, grid, solvers.DPMSolverPP2M()).x
    wanted = one.flow(x, grid[0].item(), grid[-1].item())
    assert (got - wanted).square().mean().sqrt() < 0.05 < wanted.std()
    strong = wb.Guided(one, law, 8.0)
    short = wb.grids.log_snr(schedule, 5, stop=0.0)
    wild = wb.solve(strong, x, short, solvers.DPMSolverPP2M()).x
    assert bool(wild.isfinite().all()) and wild.abs().max() > 1.5
    assert wb.solve(wb.Thresholded(strong), x, short, solvers.DPMSolverPP2M()).x.abs().max() <= 1
