"""Gaussian data coupled to Gaussian noise: against autograd of the flow, quadrature, samples, and the two ends r = 0 and r = 1."""

import pytest
import torch

import workbench as wb
from workbench.gaussian import Diagonal, GaussianCoupling, GaussianDenoiser, LowRank

RF = wb.schedules.Rectified()
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[4.0, 1.5], [1.5, 1.0]], dtype=torch.float64)
CORRELATIONS = (0.0, 0.5, 0.9, 1.0, -0.3, torch.tensor([0.2, 0.7]))


def coupling(r):
    return GaussianCoupling(MEAN, COVARIANCE, r)


def states(count=7, seed=0):
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9, 1.0])
def test_independent_is_the_gaussian_denoiser(t):
    law, x = GaussianDenoiser(MEAN, COVARIANCE, RF), states()
    for face in ("data", "velocity", *(("noise", "score") if t else ())):
        assert torch.allclose(getattr(coupling(0.0), face)(x, t), getattr(law, face)(x, t), atol=1e-12)


@pytest.mark.parametrize("r", CORRELATIONS, ids=str)
def test_the_velocity_is_the_derivative_of_the_flow(r):
    law, x, t, h = coupling(r), states(), 0.6, 1e-6
    slope = (law.flow(x, t, t + h) - law.flow(x, t, t - h)) / (2 * h)
    assert torch.allclose(law.velocity(x, t), slope, atol=1e-8)
    assert torch.allclose(law.flow(law.flow(x, t, 0.1), 0.1, t), x, atol=1e-12)
    path = law.flow(x, 1.0, [1.0, t, 0.0])
    assert torch.allclose(path[1], law.flow(x, 1.0, t)) and path.shape == (3, 7, 2)


@pytest.mark.parametrize("r", CORRELATIONS, ids=str)
def test_the_floor_is_the_variance_that_regression_leaves(r):
    """From the joint covariance of z - x_0 and x_t, by the formula for a conditional covariance."""
    law, values = coupling(r), torch.linalg.eigvalsh(COVARIANCE)
    rho = torch.as_tensor(r, dtype=torch.float64).expand(2)
    for t in (0.0, 0.25, 0.5, 1.0):
        a, b = torch.tensor([-1.0, 1.0], dtype=torch.float64), torch.tensor([1 - t, t], dtype=torch.float64)
        total = 0.0
        for value, one in zip(values, rho, strict=True):
            shared = one * value.sqrt()
            joint = torch.stack([torch.stack([value, shared]), torch.stack([shared, torch.ones_like(shared)])])
            total += a @ joint @ a - (a @ joint @ b) ** 2 / (b @ joint @ b)
        assert law.floor(t) == pytest.approx(float(total), abs=1e-12)
    assert torch.allclose(law.floor(torch.tensor([0.25, 0.5])), torch.tensor([law.floor(0.25), law.floor(0.5)]).double())


@pytest.mark.parametrize("r", CORRELATIONS, ids=str)
def test_straightness_and_energy_by_quadrature(r):
    law, n = coupling(r), 4000
    t = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    slots, roots = law.covariance.spectrum, law.covariance.spectrum.sqrt()
    w = law.variance(t).sqrt()
    speed = torch.gradient(w, spacing=(t,), dim=0, edge_order=2)[0]
    energy = (speed.square().mean(0)).sum() + MEAN.square().sum()
    bend = (speed - (1 - roots)).square().mean(0).sum()
    assert law.kinetic_energy() == pytest.approx(float(energy), rel=1e-5)
    assert law.straightness() == pytest.approx(float(bend), rel=1e-4, abs=1e-5)
    assert law.transport_cost() - law.kinetic_energy() == pytest.approx(float(law.floor(t).mean()), rel=1e-5, abs=1e-9)
    assert law.endpoint_distance() == pytest.approx(float(MEAN.square().sum() + (1 - slots.sqrt()).square().sum()))


def test_known_values_at_both_ends():
    roots = torch.linalg.eigvalsh(COVARIANCE).sqrt()
    assert coupling(0.0).straightness() == pytest.approx(float((2 - torch.pi / 2) * roots.sum()))
    straight = coupling(1.0)
    assert straight.straightness() == 0 and straight.floor(0.5) == pytest.approx(0, abs=1e-12)
    z = states()
    one_step = z - straight.velocity(z, 1.0)
    assert torch.allclose(one_step, GaussianDenoiser(MEAN, COVARIANCE, RF).flow(z, 1.0, 0.0), atol=1e-12)
    assert torch.allclose(z - coupling(0.0).velocity(z, 1.0), MEAN.expand_as(z))  # one step of the first round: the mean
    assert coupling(0.0).rectified().transport_cost() == pytest.approx(coupling(0.0).endpoint_distance())


@pytest.mark.parametrize("r", [0.0, 0.6, torch.tensor([0.9, 0.2])], ids=str)
def test_samples_and_fit(r):
    law = coupling(r)
    x0, z = law.sample(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = GaussianCoupling.fit(x0, z)
    assert torch.allclose(found.correlation, law.correlation, atol=0.01)
    assert torch.allclose(found.covariance.matrix(), COVARIANCE, atol=0.05) and torch.allclose(found.mean, MEAN, atol=0.02)
    error = (z - x0) - law.velocity(0.4 * x0 + 0.6 * z, 0.6)
    assert float(error.square().sum(1).mean()) == pytest.approx(law.floor(0.6), rel=0.02)
    assert float((z - x0).square().sum(1).mean()) == pytest.approx(law.transport_cost(), rel=0.02)


def test_low_rank_agrees_with_dense():
    draws = torch.Generator().manual_seed(2)
    vectors = torch.linalg.qr(torch.randn(6, 2, generator=draws, dtype=torch.float64)).Q
    low = LowRank(vectors, torch.tensor([3.0, 1.5], dtype=torch.float64), 0.2)
    mean = torch.randn(6, generator=draws, dtype=torch.float64)
    one, x = GaussianCoupling(mean, low, torch.tensor([0.9, 0.5, 0.1])), torch.randn(5, 6, generator=draws, dtype=torch.float64)
    weights = low.map(lambda _: one.correlation).matrix()
    mixed = low.map(lambda values: values.sqrt()).matrix() @ weights
    joint = 0.49 * low.matrix() + 2 * 0.7 * 0.3 * mixed + 0.09 * torch.eye(6, dtype=torch.float64)
    half = -0.7 * low.matrix() + (1 - 2 * 0.3) * mixed + 0.3 * torch.eye(6, dtype=torch.float64)
    expected = (x - 0.7 * mean) @ torch.linalg.solve(joint, half) - mean
    assert torch.allclose(one.velocity(x, 0.3), expected, atol=1e-10)
    x0, z = one.sample(100_000, generator=draws, dtype=torch.float64)
    found = GaussianCoupling.fit(x0, z, low)
    assert torch.allclose(found.correlation, one.correlation, atol=0.02)
    assert torch.allclose(found.covariance.spectrum, low.spectrum, rtol=0.03)


def test_batch_of_times_is_each_alone():
    law, x, t = coupling(torch.tensor([0.2, 0.7])), states(3), torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    together = law.velocity(x, t)
    assert all(torch.allclose(together[i], law.velocity(x[i : i + 1], float(t[i]))[0], atol=1e-12) for i in range(3))


def test_the_score_is_that_of_the_marginal():
    law, x = coupling(0.7), states().requires_grad_()
    covariance = law.covariance.map(lambda _: law.variance(0.4)).matrix()
    density = torch.distributions.MultivariateNormal(0.6 * MEAN, covariance).log_prob(x).sum()
    (gradient,) = torch.autograd.grad(density, x)
    assert torch.allclose(law.score(x.detach(), 0.4), gradient, atol=1e-10)
    assert not torch.allclose(law.score(x.detach(), 0.4), -law.noise(x.detach(), 0.4) / 0.4, atol=0.1)  # Tweedie needs r = 0


def test_a_direction_without_variance():
    flat = GaussianCoupling(torch.zeros(2), Diagonal(torch.tensor([1.0, 0.0])), 0.0)
    assert torch.equal(flat.velocity(torch.ones(1, 2), 0.0)[0, 1:], torch.zeros(1))
    with pytest.raises(ValueError, match="no variance in some direction at t = 0"):
        flat.score(torch.ones(1, 2), 0.0)
    with pytest.raises(ValueError, match="nothing flows from there"):
        flat.flow(torch.ones(1, 2), 0.0, 1.0)


@pytest.mark.parametrize("wrong", [1.5, -2.0, float("nan"), torch.zeros(3)], ids=str)
def test_bad_correlations(wrong):
    with pytest.raises(ValueError, match="correlation has shape"):
        coupling(wrong)


def test_other_schedules_and_shapes_are_refused():
    with pytest.raises(ValueError, match="straight lines"):
        GaussianCoupling(MEAN, COVARIANCE, 0.0, wb.schedules.VP())
    with pytest.raises(ValueError, match="two or more pairs"):
        GaussianCoupling.fit(torch.zeros(1, 2), torch.zeros(1, 2))
