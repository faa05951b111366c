"""The passage of a small error through a solver, against closed forms."""

import math

import pytest
import torch
from quantizers.test_score_error import linear

import workbench as wb

Q, RF = wb.quantizers, wb.schedules.Rectified()
EULER, HEUN = wb.solvers.Euler(variable="t"), wb.solvers.Heun(variable="t")


def grid(steps):
    return wb.grids.uniform(RF, steps, start=1.0, stop=0.0)


def test_rounded_weights_of_a_linear_flow_end_where_the_matrix_exponential_says(rng):
    full = linear(torch.randn(3, 3, generator=rng, dtype=torch.float64) / 2)
    small = Q.quantized(full, weights=Q.Affine(bits=6))
    x = torch.randn(20, 3, generator=rng, dtype=torch.float64)
    w, rounded = full.net.map.weight, small.net.map.weight.double()
    exact = x @ (torch.linalg.matrix_exp(-rounded) - torch.linalg.matrix_exp(-w)).T
    found = wb.solve(small, x, grid(100), HEUN).x - wb.solve(full, x, grid(100), HEUN).x
    assert torch.allclose(found, exact, atol=1e-5)
    # to first order: the derivative of the exponential, from the block matrix ((-W, -dW), (0, -W))
    block = torch.cat([torch.cat([-w, w - rounded], 1), torch.cat([0 * w, -w], 1)])
    derivative = torch.linalg.matrix_exp(block)[:3, 3:]
    shift = Q.endpoint_shift(small, full, x, grid(100), HEUN)
    assert torch.allclose(shift, x @ derivative.T, atol=1e-5)
    assert float((shift - exact).norm()) < 0.05 * float(exact.norm())


@pytest.mark.parametrize("solver", [EULER, HEUN, wb.solvers.DDIM(), wb.solvers.DPMSolverPP2M(), wb.solvers.UniPC()])
def test_a_solver_differentiates_itself(solver, rng):
    law = wb.characters.ring(RF)

    class Off(wb.Denoiser):
        """The ring's velocity, and a little more."""

        schedule, predicts = RF, "velocity"

        def __init__(self, size):
            self.size = size

        def predict(self, x, t):
            return law.velocity(x, t) + self.size * torch.cos(3 * x + t)

    times = wb.grids.uniform(RF, 6, start=0.9, stop=0.1)
    x = torch.randn(5, 2, generator=rng, dtype=torch.float64)
    small = 1e-5
    ends = [wb.solve(Off(size), x, times, solver).x for size in (small, -small)]
    slope = (ends[0] - ends[1]) / (2 * small)
    assert torch.allclose(Q.endpoint_shift(Off(1.0), law, x, times, solver), slope, rtol=1e-5, atol=1e-6)


def test_on_a_gaussian_errors_are_carried_by_the_flow_of_the_law(rng):
    law = wb.characters.ellipse(RF)

    class Pushed(wb.Denoiser):
        """The ellipse's velocity, plus (1, 0)."""

        schedule, predicts = RF, "velocity"

        def predict(self, x, t):
            return law.velocity(x, t) + torch.tensor([1.0, 0.0], dtype=x.dtype)

    x = torch.randn(4, 2, generator=rng, dtype=torch.float64)
    shift = Q.endpoint_shift(Pushed(), law, x, grid(80), HEUN)
    times = torch.linspace(0, 1, 201, dtype=torch.float64)
    one = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    passed = torch.stack([(law.flow(one, float(t), 0.0)[0] - law.flow(one, float(t), 0.0)[1]) for t in times])
    assert torch.allclose(shift, -torch.trapezoid(passed, times, dim=0).expand(4, 2), atol=1e-3)


def test_gronwall_is_the_closed_form_and_is_never_exceeded(rng):
    t = torch.linspace(1, 0, 4001, dtype=torch.float64)
    assert Q.gronwall(t, 0.3 * torch.ones_like(t), 2.0) == pytest.approx(0.3 * (math.exp(2) - 1) / 2, rel=1e-6)
    assert Q.gronwall(t.flip(0), 0.3 * torch.ones_like(t), 2.0) == pytest.approx(0.3 * (math.exp(2) - 1) / 2, rel=1e-6)
    assert Q.gronwall(t, t, 2.0) == pytest.approx((math.exp(2) + 1) / 4, rel=1e-6)  # made early: time to grow
    assert Q.gronwall(t, 1 - t, 2.0) == pytest.approx((math.exp(2) - 3) / 4, rel=1e-6)
    full = linear(torch.randn(3, 3, generator=rng, dtype=torch.float64))
    small = Q.quantized(full, weights=Q.Affine(bits=5))
    x = torch.randn(50, 3, generator=rng, dtype=torch.float64)
    runs = [wb.solve(model, x, grid(100), HEUN, trajectory=True) for model in (full, small)]
    sizes = torch.stack(
        [(small.velocity(y, float(s)) - full.velocity(y, float(s))).norm(dim=1) for y, s in zip(runs[1].xs, t[::40], strict=True)]
    )
    lipschitz = float(torch.linalg.matrix_norm(full.net.map.weight, 2))
    moved = (runs[1].x - runs[0].x).norm(dim=1)
    for k in range(50):
        assert float(moved[k]) <= Q.gronwall(t[::40], sizes[:, k], lipschitz) * (1 + 1e-3)


def test_bad_input(rng):
    law, x = wb.characters.ellipse(RF), torch.randn(2, 2, generator=rng)
    with pytest.raises(ValueError, match="stochastic"):
        Q.endpoint_shift(law, law, x, grid(3), wb.solvers.DDPM())
    with pytest.raises(ValueError, match="schedule"):
        Q.endpoint_shift(law, law.on(wb.schedules.VP()), x, grid(3), EULER)
    for times, errors in (([1.0], [0.1]), ([1.0, 0.0], [0.1]), ([1.0, 0.0], [0.1, -0.1])):
        with pytest.raises(ValueError, match="two or more"):
            Q.gronwall(times, errors, 1.0)
