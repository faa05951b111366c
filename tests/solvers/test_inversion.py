"""Upward: from data to the noise that belongs to it, by every deterministic member of ``solvers.ALL``, against the exact flow."""

import itertools
import math
from functools import cache

import pytest
import torch
from helpers import POINT, SCHEDULES, T1, Exact, Mixture, label, levels, name

import workbench as wb
from workbench import solvers
from workbench.schedules import VP, Cosine, Rectified
from workbench.solvers.multistep import Multistep

DETERMINISTIC = [solver for solver in solvers.ALL if not solver.stochastic]
deterministic = pytest.mark.parametrize("solver", DETERMINISTIC, ids=label)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
LOW, HIGH = 1e-2, 0.9
X = torch.tensor([[-1.9], [-1.1], [-0.2], [0.6], [1.7]], dtype=torch.float64)


@cache
def codes() -> torch.Tensor:
    """Where the flow of the mixture carries X from LOW up to HIGH, by an integrator of order 8."""
    return solvers.reference(Exact(VP()), X, LOW, HIGH, rtol=1e-12, atol=1e-13).x


@cache
def there_and_back(solver, n: int) -> tuple[float, float]:
    """The error of the code, and what is missing after the way back."""
    grid = wb.grids.log_snr(VP(), n, HIGH, LOW)
    up = wb.solve(Exact(VP()), X, grid.flip(0), solver).x
    down = wb.solve(Exact(VP()), up, grid, solver).x
    return (up - codes()).abs().max().item(), (down - X).abs().max().item()


def slope(solver, which: int) -> float:
    return math.log2(there_and_back(solver, 80)[which] / there_and_back(solver, 160)[which])


def same_in_every_step(solver) -> bool:
    """Neither a start of lower order nor steps of several orders."""
    solver = getattr(solver, "base", solver)
    return not isinstance(solver, Multistep | solvers.DPMSolverFast) and not hasattr(solver, "corrector")


def test_the_reference_is_the_monotone_map_between_the_laws() -> None:
    """In one dimension the flow keeps the quantile, which needs no integration at all."""

    def quantile(x: torch.Tensor, t: float) -> torch.Tensor:
        alpha, sigma = levels(VP(), t)
        parts = zip(*T1, strict=True)
        normal = torch.distributions.Normal(0.0, 1.0)
        return sum(w * normal.cdf((x - alpha * m) / math.hypot(alpha * s, sigma)) for w, m, s in parts)

    torch.testing.assert_close(quantile(codes(), HIGH), quantile(X, LOW), rtol=0, atol=1e-9)


@deterministic
def test_the_code_against_the_exact_flow(solver) -> None:
    """The order of the way down, where every step has it.  A run that begins with a first-order step begins, on the way up, where the
    noise prediction turns fastest: orders above 2 come down to 2 in the end, from errors that are small already."""
    found, order = slope(solver, 0), solver.global_order
    if same_in_every_step(solver):
        assert found == pytest.approx(order, abs=0.15)
    else:
        assert found > min(order, 2) - (0.6 if isinstance(solver, solvers.DPMSolverFast) else 0.1)
    assert there_and_back(solver, 160)[0] < {1: 2e-2, 2: 1e-3, 3: 1e-4, 4: 2e-5}[order]


@deterministic
def test_the_way_back_closes(solver) -> None:
    """Up and down by the same method: what is missing falls at least as the code's error does, and is of its size at most."""
    code, trip = there_and_back(solver, 160)
    allowed = 0.6 if isinstance(solver, solvers.DPMSolverFast) else 0.1
    assert slope(solver, 1) > min(solver.global_order, 2) - allowed and trip < 6 * code


def test_a_way_back_that_closes_proves_nothing() -> None:
    """Errors that change sign with the direction cancel: Heun's trip is of order 3, its code of order 2; PNDM's trip closes five
    hundred times better than its code is right."""
    assert slope(solvers.Heun(), 1) == pytest.approx(3, abs=0.1) and slope(solvers.Heun(), 0) == pytest.approx(2, abs=0.1)
    code, trip = there_and_back(solvers.PNDM(), 160)
    assert trip < 2e-3 * code


@every
@deterministic
def test_one_step_up_on_a_point_mass(solver, schedule) -> None:
    if getattr(solver, "variable", "rho") == "t" and not isinstance(solver, Multistep):
        return  # in t the path of a point is curved
    eps = torch.tensor([[-1.3, 0.2]], dtype=torch.float64)
    (a, b), (c, d) = levels(schedule, 0.3), levels(schedule, 0.7)
    got = wb.solve(Mixture(schedule, POINT), a * 0.7 + b * eps, [0.3, 0.7], solver).x
    torch.testing.assert_close(got, c * 0.7 + d * eps, rtol=0, atol=1e-12)


@every
@deterministic
def test_finite_and_counted_for_any_number_of_steps(solver, schedule) -> None:
    model = wb.NetworkDenoiser(lambda x, t: torch.tanh(x).mul_(0.7), schedule, predicts="data")
    x = torch.tensor([[0.3, -1.7]], dtype=torch.float64)
    for n in (1, 2, 3, 4, 7):
        grid = wb.grids.log_snr(schedule, n).flip(0)
        run = wb.solve(model, x, grid, solver)
        assert bool(run.x.isfinite().all()) and run.evaluations == solver.evaluations(n, to_zero=False)
        for row, t, s in zip(solver.plan(schedule, grid), grid.tolist(), grid[1:].tolist(), strict=False):
            asked = [stage.t for stage in row.stages] if hasattr(row, "stages") else [row.t]
            assert all(t * (1 - 1e-12) <= time <= s * (1 + 1e-12) for time in asked)


def test_what_cannot_be_inverted() -> None:
    x = torch.ones(1, 1, dtype=torch.float64)
    for solver in solvers.ALL:
        if solver.stochastic:
            with pytest.raises(ValueError, match="is stochastic"):
                wb.solve(Mixture(VP()), x, [0.1, 0.5], solver, generator=torch.Generator().manual_seed(0))
    for solver, schedule in itertools.product(DETERMINISTIC[:3], (Cosine(), Rectified())):
        with pytest.raises(ValueError, match="increases from 0"):
            wb.solve(Mixture(schedule), x, [0.0, 0.5], solver)
        with pytest.raises(ValueError, match="alpha = 0"):
            wb.solve(Mixture(schedule), x, [0.1, 1.0], solver)
