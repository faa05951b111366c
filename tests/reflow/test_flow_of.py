"""A flow from a denoiser: the exact velocity E[z - x_0 | x_t], by nothing but the change of schedule."""

import pytest
import torch
from helpers import SCHEDULES, name

import workbench as wb
from workbench.gaussian import GaussianDenoiser
from workbench.nets.training.rates import Constant
from workbench.reflow import fit, flow_of, independent
from workbench.schedules import VE, VP, Rectified

LINES = Rectified()
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[4.0, 1.5], [1.5, 1.0]], dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def states(count=9):
    return torch.randn(count, 2, generator=generator(), dtype=torch.float64)


def expected(x, t):
    """E[z - x_0 | x_t] for independent Gaussian data and noise, by the formula for conditional means."""
    total = (1 - t) ** 2 * COVARIANCE + t**2 * torch.eye(2)
    return (x - (1 - t) * MEAN) @ torch.linalg.solve(total, t * torch.eye(2, dtype=torch.float64) - (1 - t) * COVARIANCE) - MEAN


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
@pytest.mark.parametrize("t", [0.0, 0.05, 0.3, 0.6, 0.9, 0.98])
def test_it_is_the_mean_of_noise_minus_data(schedule, t):
    flow = flow_of(GaussianDenoiser(MEAN, COVARIANCE, schedule))
    assert torch.allclose(flow.velocity(states(), t), expected(states(), t), atol=1e-8)


def test_a_batch_of_times_is_each_alone():
    flow, t = flow_of(GaussianDenoiser(MEAN, COVARIANCE, VE())), torch.tensor([0.0, 0.4, 0.98, 0.995, 1.0], dtype=torch.float64)
    together = flow.velocity(states(5), t)
    assert all(torch.allclose(together[i], flow.velocity(states(5)[i : i + 1], float(t[i]))[0], atol=1e-12) for i in range(5))


@pytest.mark.parametrize("schedule", [VE(), VP()], ids=name)
def test_beyond_the_last_level_of_the_denoiser_it_goes_on(schedule):
    """There the data hardly depend on the state: the flow is close to exact, continuous, and defined up to pure noise."""
    flow = flow_of(GaussianDenoiser(MEAN, COVARIANCE, schedule))
    last = float(LINES.inverse_log_snr(schedule.log_snr(schedule.t_first)))
    assert 0.98 < last < 1
    before, after = (flow.velocity(states(), t) for t in (last * (1 - 1e-9), min(last * (1 + 1e-9), 1.0)))
    assert torch.allclose(before, after, atol=1e-6)
    for t in (0.995, 1.0):
        there = flow.model.on(LINES).data(last / t * states(), last)  # noise of the size that belongs there
        assert torch.allclose(flow.data(states(), t), there, atol=1e-12)
        assert (flow.velocity(states(), t) - expected(states(), t)).abs().max() < 0.15
    run = wb.solve(flow, states(), wb.grids.uniform(LINES, 64, start=1.0, stop=0.0), wb.solvers.RK4(variable="t"))
    exact = GaussianDenoiser(MEAN, COVARIANCE, LINES).flow(states(), 1.0, 0.0)
    assert (run.x - exact).abs().max() < 0.06


def test_conditions_and_costs_pass_through():
    ring = wb.characters.ring(VE())
    model = wb.Guided(ring, ring, 2.0)
    assert flow_of(model).cost == model.cost and torch.allclose(
        flow_of(model).data(states(), 0.4), flow_of(ring).data(states(), 0.4)
    )

    def classes(x, t, labels):
        return x * 0 + labels.to(x.dtype)[:, None]

    flow = flow_of(wb.NetworkDenoiser(classes, VE(), "data"))
    assert flow.given(torch.arange(9)).data(states(), 0.5)[:, 0].tolist() == list(range(9))


def test_training_starts_from_the_denoiser_and_leaves_it_as_it_was():
    net = wb.nets.MLP(2, width=16, depth=1, generator=generator())
    denoiser = wb.EDMDenoiser(net, sigma_data=0.3)
    flow, x0 = flow_of(denoiser), wb.data.toys.ring(512, generator=generator())
    before = [p.clone() for p in net.parameters()]
    trained = fit(flow, independent(x0), steps=30, batch=64, schedule=Constant(warmup=1), generator=generator())
    assert all(torch.equal(p, q) for p, q in zip(before, net.parameters(), strict=True))
    assert torch.equal(flow.velocity(x0, 0.4), denoiser.on(LINES).velocity(x0, 0.4))
    assert (trained.velocity(x0, 0.4) - flow.velocity(x0, 0.4)).abs().max() > 1e-3
    z = torch.randn(512, 2, generator=generator(1))
    with torch.no_grad():
        loss = [float((one.velocity(0.6 * x0 + 0.4 * z, 0.4) - (z - x0)).square().mean()) for one in (flow, trained)]
    assert loss[1] < 0.95 * loss[0]


def test_only_denoisers():
    with pytest.raises(TypeError, match="denoiser"):
        flow_of(wb.nets.MLP(2, generator=generator()))
    with pytest.raises(TypeError, match="holds no"):
        fit(flow_of(wb.characters.ring(VE())), independent(torch.zeros(4, 2)), steps=1, batch=2, generator=generator())
