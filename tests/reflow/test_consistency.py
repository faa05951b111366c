"""Consistency distillation against the closed map of a Gaussian: the boundary, the fixed point, the law, and a resumed run."""

import dataclasses

import pytest
import torch
from torch import nn

import workbench as wb
from workbench.denoiser import Denoiser, as_time
from workbench.gaussian import GaussianDenoiser
from workbench.nets import MLP
from workbench.nets.training.batches import Batches
from workbench.nets.training.objective import Denoising
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import Trainer
from workbench.reflow import ConsistencyDistillation, ConsistencyFunction, PseudoHuber, distill_consistency
from workbench.reflow.consistency import heun_step
from workbench.schedules import VE

VE_ = VE()
LEAST, MOST = 0.05, 10.0
COVARIANCE = torch.tensor([[1.0, 0.5], [0.5, 0.7]], dtype=torch.float64)
LAW = GaussianDenoiser(torch.tensor([0.4, -0.3], dtype=torch.float64), COVARIANCE, VE_)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def grid(intervals):
    return wb.grids.karras(VE_, intervals, start=MOST, stop=LEAST)


@dataclasses.dataclass(frozen=True, eq=False)
class Exact(Denoiser):
    """f(x, sigma) = mu + sum sqrt((L + m^2) / (L + sigma^2)) c_k u_k, written out; ``wrong`` scales it."""

    wrong: float = 1.0
    schedule = VE_
    predicts = "data"

    def predict(self, x, t):
        values, vectors = torch.linalg.eigh(COVARIANCE)
        t = as_time(t, len(x))
        t = t[:, None] if isinstance(t, torch.Tensor) else t
        shrink = ((values + LEAST**2) / (values + t**2)).sqrt()
        return LAW.mean + self.wrong * ((x - LAW.mean) @ vectors * shrink) @ vectors.T


class Random(nn.Module):
    """Anything at all, and large."""

    def forward(self, x, times, labels=None):
        return 100 * torch.sin(31 * x + times[:, None])


def net(seed=0, **more):
    return MLP(2, width=32, depth=2, **more, generator=generator(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_the_boundary_it_is_the_identity_to_the_last_bit(dtype):
    f = ConsistencyFunction(Random(), sigma_data=1.3, sigma_min=LEAST)
    x = torch.randn(20, 2, generator=generator(), dtype=dtype)
    assert torch.equal(f.data(x, LEAST), x)
    assert torch.equal(f.data(x, torch.full((20,), LEAST, dtype=torch.float64)), x)
    assert not torch.allclose(f.data(x, 2 * LEAST), x, atol=0.1)


def test_its_scales_by_hand():
    f, x = ConsistencyFunction(lambda x, times: x, 0.5, 0.002), torch.ones(1, 1, dtype=torch.float64)
    skip = 0.25 / (0.998**2 + 0.25)
    out, seen = 0.998 * 0.5 / 1.25**0.5, 1 / 1.25**0.5
    assert float(f.data(x, 1.0)) == pytest.approx(skip + out * seen, rel=1e-12)


def test_the_exact_map_is_a_fixed_point_up_to_the_error_of_a_step():
    x0 = LAW.sample(400, 0.0, generator=generator(1)).double()
    losses = {}
    for intervals in (20, 40):
        objective = ConsistencyDistillation(LAW, grid(intervals)).towards(Exact())
        losses[intervals] = float(objective.losses(Exact(), x0, generator(2))[0].mean().sqrt())
        wrong = float(objective.losses(Exact(1.05), x0, generator(2))[0].mean().sqrt())
        assert wrong > 8 * losses[intervals]
    assert losses[20] < 4e-3
    assert losses[40] < losses[20] / 4  # a step of Heun errs as the third power of its length


def test_the_exact_map_is_where_the_flow_ends():
    x = 3 * torch.randn(50, 2, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(Exact().data(x, 3.0), LAW.flow(x, 3.0, LEAST), rtol=1e-10, atol=1e-10)


def test_a_heun_step_is_the_solver_s_own_and_each_sample_has_its_time():
    x = 2 * torch.randn(6, 2, generator=generator(), dtype=torch.float64)
    t, s = torch.tensor([2.0, 2.0, 2.0, 1.0, 1.0, 1.0]), torch.tensor([1.5, 1.5, 1.5, 0.8, 0.8, 0.8])
    ours = heun_step(LAW, x, t.double(), s.double())
    for rows, (a, b) in ((slice(0, 3), (2.0, 1.5)), (slice(3, 6), (1.0, 0.8))):
        step = wb.solve(LAW, x[rows], [a, float(torch.tensor(b))], wb.solvers.Heun())
        torch.testing.assert_close(ours[rows], step.x, rtol=1e-6, atol=1e-6)


def test_every_interval_is_drawn_as_often():
    points = grid(5)
    t = ConsistencyDistillation(LAW, points).times(VE_, 5000, generator())
    counts = [(t == point).sum().item() for point in points]
    assert counts[-1] == 0 and min(counts[:-1]) > 900 and sum(counts) == 5000


def test_the_target_gets_no_gradient_and_its_own_condition():
    f = ConsistencyFunction(net(classes=3), 1.0, LEAST)
    slow = ConsistencyFunction(net(1, classes=3), 1.0, LEAST)
    objective = ConsistencyDistillation(LAW, grid(5), PseudoHuber(0.1)).towards(slow)
    x0, labels = torch.randn(8, 2, generator=generator()), torch.arange(8) % 3
    losses, _ = objective.losses(f.given(labels), x0, generator(3))
    losses.mean().backward()
    assert all(p.grad is None for p in slow.net.parameters()) and any(p.grad is not None for p in f.net.parameters())


def test_several_steps_keep_the_law():
    x = MOST * torch.randn(20_000, 2, generator=generator(4), dtype=torch.float64) + LAW.mean
    solver = wb.solvers.DDCM(carried=LEAST)
    end = wb.solve(Exact(), x, [MOST, 1.0, 0.2, 0.0], solver, generator=generator(5))
    assert end.evaluations == 3
    goal = COVARIANCE + LEAST**2 * torch.eye(2, dtype=torch.float64)
    error = wb.metrics.mean_and_covariance_error(end.x, LAW.mean, goal)
    assert error.mean < 0.02 and error.covariance < 0.04
    one = wb.solve(Exact(), x, [MOST, 0.0], solver, generator=generator(5))
    torch.testing.assert_close(one.x, Exact().data(x, MOST))


def test_fresh_noise_adds_to_what_is_carried():
    x = torch.zeros(20_000, 1, dtype=torch.float64)
    carried = 0.3
    answer = wb.NetworkDenoiser(lambda x, times: carried * torch.randn(x.shape, generator=generator(1), dtype=x.dtype), VE_, "data")
    middle = wb.solve(answer, x, [5.0, 0.5], wb.solvers.DDCM(carried=carried), generator=generator(6)).x
    assert float(middle.std()) == pytest.approx(0.5, rel=0.02)
    with pytest.raises(ValueError, match="carry"):
        wb.solve(answer, x, [5.0, 0.2], wb.solvers.DDCM(carried=carried), generator=generator(6))
    with pytest.raises(ValueError, match="carried"):
        wb.solvers.DDCM(carried=-1.0)


def test_training_comes_close_to_the_exact_map():
    x0 = LAW.sample(4096, 0.0, generator=generator(7)).float()
    f = distill_consistency(
        net(), LAW, x0, steps=400, intervals=10, start=MOST, stop=LEAST, batch=256, halflife=20_000, generator=generator(8)
    )
    x = MOST * torch.randn(500, 2, generator=generator(9))
    with torch.no_grad():
        error = (f.data(x, MOST) - LAW.flow(x.double(), MOST, LEAST)).square().mean().sqrt()
        untrained = (
            (ConsistencyFunction(net(), f.sigma_data, LEAST).data(x, MOST) - LAW.flow(x.double(), MOST, LEAST))
            .square()
            .mean()
            .sqrt()
        )
    assert error < 0.2 < untrained / 3
    assert f.sigma_data == pytest.approx(float(x0.square().mean().sqrt()), rel=1e-6) and f.sigma_min == LEAST


def trainer(steps=12):
    x0 = LAW.sample(256, 0.0, generator=generator(7)).float()
    objective = ConsistencyDistillation(LAW, grid(6), target_halflife=100)
    model = ConsistencyFunction(net(), 1.0, LEAST)
    return Trainer(model, Batches(x0, None, 32, 0, flips=False), objective, Settings(steps, batch=32))


def test_the_target_follows_at_its_own_pace():
    ours = trainer()
    start = [p.clone() for p in ours.target.net.parameters()]
    expected = [p.clone() for p in start]
    for _ in ours.run():
        for own, new in zip(expected, ours.net.parameters(), strict=True):
            own.lerp_(new.detach(), 1 - 0.5 ** (32 / 100))
    for a, b, c in zip(expected, ours.target.net.parameters(), start, strict=True):
        torch.testing.assert_close(a, b)
    assert not torch.equal(expected[-2], start[-2])
    assert ours.objective.target.net is ours.target.net


def test_restored_it_goes_on_as_if_nothing_had_happened():
    whole, first, second = trainer(), trainer(), trainer()
    expected = [step.loss for step in whole.run()]
    assert [step.loss for step in first.run(until=5)] == expected[:5]
    second.restore(first.state())
    assert [step.loss for step in second.run()] == expected[5:]
    assert all(torch.equal(a, b) for a, b in zip(whole.target.net.parameters(), second.target.net.parameters(), strict=True))


def test_bad_input_is_refused_before_any_work():
    x0 = torch.randn(16, 2, generator=generator())
    with pytest.raises(ValueError, match="VE"):
        ConsistencyFunction(net(), schedule=wb.schedules.VP())
    with pytest.raises(ValueError, match="sigma_min"):
        ConsistencyFunction(net(), sigma_min=0.0)
    with pytest.raises(ValueError, match="decreasing"):
        ConsistencyDistillation(LAW, torch.tensor([0.1, 1.0], dtype=torch.float64))
    with pytest.raises(ValueError, match="half-?life"):
        ConsistencyDistillation(LAW, grid(5), target_halflife=0.0)
    with pytest.raises(TypeError, match="ConsistencyFunction"):
        ConsistencyDistillation(LAW, grid(5)).check(wb.EDMDenoiser(net(), 1.0))
    with pytest.raises(ValueError, match="sigma_min"):
        ConsistencyDistillation(LAW, grid(5)).check(ConsistencyFunction(net(), 1.0, 2 * LEAST))
    with pytest.raises(ValueError, match="target"):
        ConsistencyDistillation(LAW, grid(5)).losses(ConsistencyFunction(net(), 1.0, LEAST), x0, generator())
    with pytest.raises(TypeError, match="teacher"):
        distill_consistency(net(), net(), x0, steps=1, batch=4, generator=generator())
    with pytest.raises(TypeError, match="slow copy"):
        Denoising().towards(LAW)
