"""One-step distillation: a Gaussian's exact map, nothing learned away from t = 1, and refusals before any work."""

import pytest
import torch
from torch import nn

import workbench as wb
from workbench.gaussian import GaussianCoupling
from workbench.reflow import NoiseEnd, PseudoHuber, distill, independent, paired, pairs_of
from workbench.schedules import Rectified

MEAN = torch.tensor([0.6, -0.4], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Affine(nn.Module):
    """A x + b at every time: all that a Gaussian's one-step map needs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(2))
            self.layer.bias.zero_()

    def forward(self, x, times):
        return self.layer(x)


@pytest.fixture(scope="module")
def teacher():
    """The exact flow of the Gaussian, bent: one Euler step from t = 1 gives the mean."""
    return GaussianCoupling(MEAN, COVARIANCE)


@pytest.fixture(scope="module")
def pairs(teacher):
    return pairs_of(teacher, 4096, (2,), steps=40, generator=generator(1))


def root():
    values, vectors = torch.linalg.eigh(COVARIANCE)
    return vectors @ values.sqrt().diag() @ vectors.T


@pytest.mark.parametrize("premetric", [None, PseudoHuber(0.05)], ids=["squared", "huber"])
def test_a_gaussian_flow_becomes_its_square_root(teacher, pairs, premetric):
    model = distill(Affine(), pairs, steps=500, batch=256, rate=0.05, premetric=premetric, generator=generator(2))
    noise = torch.randn(500, 2, generator=generator(3))
    exact = MEAN + noise.double() @ root()
    with torch.no_grad():
        gap = (model.data(noise, 1.0) - exact).norm(dim=1)
        blur = (teacher.data(noise.double(), 1.0) - MEAN).norm(dim=1)
    assert gap.max() < 0.01  # the pairs' own error, of 40 steps of Heun, and what is left of training
    assert blur.max() < 1e-12  # what the teacher itself makes of one step


def test_one_evaluation_is_one_euler_step(pairs):
    model = distill(Affine(), pairs, steps=20, batch=64, generator=generator(2))
    noise = torch.randn(50, 2, generator=generator(3))
    euler = wb.reflow.simulate(model, noise, solver=wb.solvers.Euler(variable="t"), steps=1)
    torch.testing.assert_close(model.data(noise, 1.0).detach(), euler, rtol=0, atol=1e-6)


def test_it_starts_from_a_flow_and_leaves_it_alone(pairs):
    flow = wb.reflow.fit(Affine(), independent(pairs.x0), steps=5, batch=64, generator=generator(4))
    before = [p.clone() for p in flow.net.parameters()]
    model = distill(flow, pairs, steps=5, batch=64, generator=generator(5))
    assert all(torch.equal(a, b) for a, b in zip(before, flow.net.parameters(), strict=True))
    assert not torch.equal(next(model.net.parameters()), before[0])


def test_the_same_generator_gives_the_same_model(pairs):
    one, two = (distill(Affine(), pairs, steps=8, batch=64, generator=generator(6)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.net.parameters(), two.net.parameters(), strict=True))


def test_every_time_is_the_noise_end_and_nothing_is_drawn():
    draws = generator(7)
    state = draws.get_state()
    assert NoiseEnd().draw(Rectified(), 5, draws).tolist() == [1.0] * 5
    assert torch.equal(draws.get_state(), state)


def test_the_loss_sees_only_the_noise_end(pairs):
    seen = []
    distill(Affine(), pairs, steps=3, batch=32, generator=generator(8), callback=lambda step, _: seen.append(step.times))
    assert len(seen) == 3 and all(bool((t == 1).all()) for t in seen)


def test_partners_by_chance_are_refused():
    with pytest.raises(TypeError, match="Independent.*blur"):
        distill(Affine(), independent(torch.zeros(8, 2)), steps=1, generator=generator())


def test_a_model_on_another_schedule_is_refused():
    flow = wb.NetworkDenoiser(Affine(), wb.schedules.VP(), "velocity")
    with pytest.raises(ValueError, match="Rectified"):
        distill(flow, paired(torch.zeros(8, 2), torch.zeros(8, 2)), steps=1, batch=4, generator=generator())
