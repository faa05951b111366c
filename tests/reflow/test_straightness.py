"""Straightness and cost on laws whose answers are known, and what a flow keeps and never raises."""

from functools import cache

import pytest
import torch

import workbench as wb
from workbench.gaussian import GaussianCoupling
from workbench.reflow import straightness, transport_cost
from workbench.schedules import Rectified

LINES = Rectified()
RK4 = wb.solvers.RK4(variable="t")
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[4.0, 1.5], [1.5, 1.0]], dtype=torch.float64)


def normal(count, seed=0):
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def white(count):
    """Noise whose sample mean and covariance are exactly 0 and 1, so that averages of squares are exact for Gaussian laws."""
    z = normal(count) - normal(count).mean(0)
    z = z @ torch.linalg.inv(torch.linalg.cholesky(z.T @ z / count)).T
    return z


@cache
def on_the_ring(count=1500):
    """Noise, samples independent of it, and the states of the exact flow at t = 1, .75, .5, .25, 0."""
    law = wb.characters.ring(LINES)
    grid = wb.grids.uniform(LINES, 32, start=1.0, stop=0.0)
    run = wb.solve(law, normal(count), grid, RK4, trajectory=True)
    x0 = law.sample(count, 0.0, generator=torch.Generator().manual_seed(1)).double()
    return law, run.xs[0], x0, run.xs[::8], run


@pytest.mark.parametrize("r", [0.0, 0.5, 0.9, 1.0, torch.tensor([0.2, 0.7])], ids=str)
def test_the_straightness_of_a_gaussian_flow(r):
    law, z = GaussianCoupling(MEAN, COVARIANCE, r), white(64)
    assert straightness(law, z, steps=200, solver=RK4) == pytest.approx(law.straightness(), rel=2e-4, abs=1e-9)


def test_the_straightness_of_the_first_round_is_the_known_number():
    roots = torch.linalg.eigvalsh(COVARIANCE).sqrt().sum()
    law = wb.gaussian.GaussianDenoiser(MEAN, COVARIANCE, LINES)
    assert straightness(law, white(64), steps=200) == pytest.approx(float((2 - torch.pi / 2) * roots), rel=1e-3)


def test_straight_paths_have_none_and_one_step_is_exact():
    law, z = GaussianCoupling(MEAN, COVARIANCE, 1.0), normal(50)
    assert straightness(law, z, steps=5) < 1e-20
    one = wb.solve(law, z, [1.0, 0.0], wb.solvers.Euler(variable="t")).x
    assert torch.allclose(one, law.flow(z, 1.0, 0.0), atol=1e-12)


def test_one_step_of_the_first_round_is_the_mean_for_every_noise():
    for law, mean in ((wb.characters.ring(LINES), torch.zeros(2)), (GaussianCoupling(MEAN, COVARIANCE), MEAN)):
        one = wb.solve(law, normal(20), [1.0, 0.0], wb.solvers.Euler(variable="t")).x
        assert torch.allclose(one, mean.double().expand(20, 2), atol=1e-12)


@pytest.mark.parametrize("part", [1, 2, 3])
def test_the_flow_keeps_every_marginal(part):
    """The states of the flow have the law of the interpolation, at t = .75, .5, .25, and no other."""
    _, _, x0, states, _ = on_the_ring()
    t, other = 1 - part / 4, normal(len(x0), 5)
    right = wb.metrics.energy_distance(states[part], (1 - t) * x0 + t * other)
    wrong = wb.metrics.energy_distance(1.15 * states[part], (1 - t) * x0 + t * other)
    assert abs(right) < 3e-3 < wrong


@pytest.mark.parametrize(
    "cost",
    [
        lambda d: d.square().sum(1),
        lambda d: d.norm(dim=1),
        lambda d: d.norm(dim=1) ** 4,
        lambda d: d.abs().amax(1),
        lambda d: (d[:, 0] - 2 * d[:, 1]).exp(),
    ],
    ids=["square", "length", "fourth", "maximum", "exponential"],
)
def test_no_convex_cost_rises(cost):
    _, z, x0, states, _ = on_the_ring()
    assert cost(z - states[-1]).mean() < cost(z - x0).mean()


def test_the_cost_falls_and_is_the_mean_square():
    _, z, x0, states, _ = on_the_ring()
    assert transport_cost(states[-1], z) < 0.25 * transport_cost(x0, z)
    assert transport_cost(x0, z) == pytest.approx(float((x0 - z).square().sum(1).mean()))


def test_the_energy_splits():
    """E|z - x_0|^2 is the kinetic energy and what no velocity can predict; kinetic energy is straightness and cost of the ends."""
    law, z, x0, states, run = on_the_ring()
    speeds = torch.stack([law.velocity(x, float(t)).square().sum(1).mean() for x, t in zip(run.xs, run.grid, strict=True)])
    kinetic = float(-torch.trapezoid(speeds, run.grid))
    bend = straightness(law, z, steps=32, solver=RK4)
    assert kinetic == pytest.approx(bend + transport_cost(states[-1], z), rel=2e-3)
    many = 20_000
    x0, z = law.sample(many, 0.0, generator=torch.Generator().manual_seed(3)).double(), normal(many, 4)
    t = (torch.arange(many, dtype=torch.float64) + 0.5) / many
    left = (z - x0 - law.velocity((1 - t)[:, None] * x0 + t[:, None] * z, t)).square().sum(1).mean()
    assert transport_cost(x0, z) == pytest.approx(kinetic + float(left), rel=0.03)


def test_what_is_no_pair_has_no_cost():
    for x0, z in ((torch.zeros(3, 2), torch.zeros(2, 2)), (torch.zeros(0, 2), torch.zeros(0, 2))):
        with pytest.raises(ValueError, match="pairs of one shape are needed"):
            transport_cost(x0, z)
