"""The rule that holds on to the noise of the start: where it is Euler's method, where it is better, and where it must not be used."""

import pytest
import torch

import workbench as wb
from workbench.gaussian import GaussianCoupling
from workbench.reflow import FixedNoise
from workbench.schedules import VE, Rectified

LINES = Rectified()
EULER = wb.solvers.Euler(variable="t")
BOTH = (FixedNoise(), FixedNoise(heun=True))
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[4.0, 1.5], [1.5, 1.0]], dtype=torch.float64)


def noise(count=40):
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def grid(steps, start=1.0, stop=0.0):
    return wb.grids.uniform(LINES, steps, start=start, stop=stop)


def error(law, solver, steps, z, exact):
    return float((wb.solve(law, z, grid(steps), solver).x - exact).norm(dim=1).mean())


@pytest.mark.parametrize("solver", BOTH, ids=str)
def test_one_step_is_eulers(solver):
    law, z = wb.characters.ring(LINES), noise()
    run = wb.solve(law, z, [1.0, 0.0], solver)
    assert torch.allclose(run.x, wb.solve(law, z, [1.0, 0.0], EULER).x, atol=1e-12) and run.evaluations == 1


def test_the_first_step_from_anywhere_is_eulers():
    law, x = wb.characters.ring(LINES), noise()
    for start in (1.0, 0.8):
        ours, other = (wb.solve(law, x, [start, 0.3], solver).x for solver in (FixedNoise(), EULER))
        assert torch.allclose(ours, other, atol=1e-12)
    three = [wb.solve(law, x, [0.8, 0.5, 0.3], solver).x for solver in (FixedNoise(), EULER)]
    assert not torch.allclose(*three, atol=1e-2)


@pytest.mark.parametrize("solver", BOTH, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_on_straight_paths_it_is_exact(solver, steps):
    law, z = GaussianCoupling(MEAN, COVARIANCE, 1.0), noise()
    run = wb.solve(law, z, grid(steps), solver, trajectory=True)
    for t, x in zip(run.grid, run.xs, strict=True):
        assert torch.allclose(x, law.flow(z, 1.0, float(t)), atol=1e-12)


def test_two_steps_by_hand():
    law, z = wb.characters.ring(LINES), noise()
    x = 0.4 * law.data(z, 1.0) + 0.6 * z
    assert torch.allclose(wb.solve(law, z, [1.0, 0.6, 0.0], FixedNoise()).x, law.data(x, 0.6), atol=1e-12)
    mean = (law.velocity(z, 1.0) + law.velocity(x, 0.6)) / 2
    x = 0.4 * (z - mean) + 0.6 * z
    assert torch.allclose(wb.solve(law, z, [1.0, 0.6, 0.0], FixedNoise(heun=True)).x, law.data(x, 0.6), atol=1e-12)
    late = wb.solve(law, z, [0.9, 0.5, 0.2], FixedNoise()).x
    own, x = law.noise(z, 0.9), z
    for t, s in ((0.9, 0.5), (0.5, 0.2)):
        x = (1 - s) * law.data(x, t) + s * own
    assert torch.allclose(late, x, atol=1e-12)


def test_in_few_steps_it_helps_and_in_many_it_runs_away():
    """On the first round's curved paths; Euler's method only gets better."""
    for law in (wb.characters.ring(LINES), wb.characters.ellipse(LINES)):
        z = noise(400)
        exact = wb.solve(law, z, grid(100), wb.solvers.RK4(variable="t")).x
        ours, euler = ({n: error(law, solver, n, z, exact) for n in (4, 16, 64)} for solver in (FixedNoise(), EULER))
        assert ours[4] < 0.7 * euler[4]
        assert ours[16] < ours[64] and euler[16] > euler[64] and ours[64] > 20 * euler[64]


@pytest.mark.parametrize("solver", BOTH, ids=str)
def test_evaluations_are_counted(solver):
    law = wb.characters.ring(LINES)
    for times in ([1.0, 0.5, 0.0], [1.0, 0.0], [0.9, 0.5, 0.2], [1.0, 0.7, 0.2]):
        points = torch.tensor(times, dtype=torch.float64)
        assert wb.solve(law, noise(2), points, solver).evaluations == solver.evaluations_on(LINES, points)
    assert FixedNoise(heun=True).evaluations(5) == 9 and FixedNoise().evaluations(5) == 5


def test_it_has_no_order_and_is_not_among_the_others():
    assert all(solver.order == 0 for solver in BOTH) and not any(isinstance(one, FixedNoise) for one in wb.solvers.ALL)


def test_other_schedules_and_inversion_are_refused():
    law = wb.characters.ring(VE())
    with pytest.raises(ValueError, match="straight lines of Rectified"):
        wb.solve(law, noise(2), [10.0, 1.0, 0.1], FixedNoise())
    with pytest.raises(ValueError, match="grid that increases"):
        wb.solve(wb.characters.ring(LINES), noise(2), [0.1, 0.9], FixedNoise())


def test_samples_do_not_look_at_each_other_and_gradients_pass():
    law, z = wb.characters.ring(LINES), noise(4)
    together = wb.solve(law, z, grid(3), FixedNoise(heun=True)).x
    alone = torch.cat([wb.solve(law, one, grid(3), FixedNoise(heun=True)).x for one in z.split(1)])
    assert torch.allclose(together, alone, atol=1e-12)
    z.requires_grad_()
    assert torch.autograd.grad(wb.solve(law, z, grid(3), FixedNoise(), differentiable=True).x.sum(), z)[0].abs().min() > 0
