"""Losses against their closed forms: F = 0 has loss 1 on the law its formula knows, and the exact velocity the least loss."""

import pytest
import torch
from helpers import SCHEDULES, name
from torch import nn

import workbench as wb
from workbench.gaussian import GaussianDenoiser, GaussianPreconditioned
from workbench.nets import MLP, Denoising, FlowMatching, LogNormal, UniformTimes
from workbench.schedules import VE, Rectified

COVARIANCE = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)


class Nothing(nn.Module):
    """F = 0, of the first two coordinates' shape."""

    def forward(self, x, times, labels=None):
        return torch.zeros_like(x[:, :2])


def law(schedule):
    return GaussianDenoiser(torch.tensor([0.3, -0.2], dtype=torch.float64), COVARIANCE, schedule)


def draws(count=20_000):
    return law(VE()).sample(count, 0.0, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_a_network_that_has_learned_nothing_has_loss_one_on_the_law_itself(schedule):
    model = GaussianPreconditioned(Nothing(), law(schedule), shows_base=False)
    losses, t = Denoising(LogNormal(-0.7, 1.1)).losses(model, draws(), torch.Generator().manual_seed(1))
    noisy = -schedule.log_snr(t) > 0
    for part in (losses, losses[noisy], losses[~noisy]):  # at every noise level, so in either half
        assert abs(float(part.mean()) - 1) < 0.03


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_edm_has_loss_one_on_isotropic_data_and_more_on_wider(schedule):
    x0 = 0.5 * torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model, objective = wb.EDMDenoiser(Nothing(), schedule=schedule), Denoising(LogNormal(-0.7, 1.1))
    assert abs(float(objective.losses(model, x0, torch.Generator().manual_seed(1))[0].mean()) - 1) < 0.02
    assert float(objective.losses(model, 2 * x0, torch.Generator().manual_seed(1))[0].mean()) > 1.5


def test_the_two_halves_are_the_whole():
    model, objective, x0 = wb.EDMDenoiser(Nothing()), Denoising(), draws(16).float()
    losses, t = objective.losses(model, x0, torch.Generator().manual_seed(5))
    noise, times = objective.draw(model.schedule, x0, torch.Generator().manual_seed(5))
    assert torch.equal(t, times) and torch.equal(losses, objective.judge(model, x0, noise, times))
    parts = [objective.judge(model, x0[k : k + 4], noise[k : k + 4], times[k : k + 4]) for k in range(0, 16, 4)]
    torch.testing.assert_close(torch.cat(parts), losses)


def test_flow_matching_is_least_at_the_exact_velocity():
    exact, x0 = law(Rectified()), draws()

    class Velocity(nn.Module):
        def __init__(self, shift=0.0, scale=1.0):
            super().__init__()
            self.shift, self.scale = shift, scale

        def forward(self, x, times):
            return self.scale * exact.velocity(x, times.double()) + self.shift

    def loss(**change):
        model = wb.NetworkDenoiser(Velocity(**change), Rectified(), "velocity")
        return float(FlowMatching().losses(model, x0, torch.Generator().manual_seed(1))[0].mean())

    # E|v - target|^2 = floor + E|v - exact|^2, and the floor is the mean posterior variance of eps - x_0 = (x - x_0) / t - x_0
    t = UniformTimes().draw(Rectified(), 200_000, torch.Generator().manual_seed(9))
    floor = float((exact.mmse(t) / 2 / t**2).mean())
    assert abs(loss() / floor - 1) < 0.03
    assert abs(loss(shift=0.3) - loss() - 0.09) < 0.02
    assert loss(scale=1.2) > loss() + 0.01 and loss(scale=0.8) > loss() + 0.01


def test_flow_matching_has_a_say_in_the_times():
    class Late:
        def draw(self, schedule, batch, generator):
            return torch.full((batch,), 0.9, dtype=torch.float64)

    model = wb.NetworkDenoiser(Nothing(), Rectified(), "velocity")
    losses, t = FlowMatching(Late()).losses(model, draws(8), torch.Generator().manual_seed(0))
    assert t.tolist() == [0.9] * 8
    noise, _ = FlowMatching(Late()).draw(Rectified(), draws(8), torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses, (noise - draws(8)).square().mean(1))


def test_an_objective_refuses_a_model_it_cannot_train():
    flow = wb.NetworkDenoiser(Nothing(), Rectified(), "velocity")
    with pytest.raises(TypeError, match="needs a Preconditioned model"):
        Denoising().check(flow)
    with pytest.raises(ValueError, match=r"on Rectified\(\)"):
        FlowMatching().check(wb.EDMDenoiser(Nothing()))
    FlowMatching().check(flow)
    Denoising().check(wb.EDMDenoiser(Nothing()))


@pytest.mark.parametrize("kind", ["denoising", "flow"])
def test_gradients_reach_every_parameter(kind):
    net = MLP(2, width=8, depth=2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.last.weight.fill_(0.1)
    model = wb.EDMDenoiser(net) if kind == "denoising" else wb.NetworkDenoiser(net, Rectified(), "velocity")
    objective = Denoising() if kind == "denoising" else FlowMatching()
    objective.losses(model, draws(16).float(), torch.Generator().manual_seed(0))[0].mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
