"""Training a velocity on a coupling: it is learned, the seed decides, and what goes wrong is said clearly."""

import pytest
import torch

import workbench as wb
from workbench.gaussian import GaussianCoupling
from workbench.nets.training.rates import Constant
from workbench.nets.training.trainer import NonFiniteLoss
from workbench.reflow import PseudoHuber, UShaped, fit, independent, minibatch_ot, paired
from workbench.schedules import Rectified


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0, width=48):
    return wb.nets.MLP(2, width=width, depth=2, generator=generator(seed))


def coupling(r, count=4096):
    """Pairs of the ellipse with noise of correlation r, and the law they are from."""
    law = wb.characters.ellipse(Rectified())
    law = GaussianCoupling(law.mean, law.covariance, r)
    return law, *law.sample(count, generator=generator(1))


def same(one, two):
    return all(torch.equal(p, q) for p, q in zip(one.net.parameters(), two.net.parameters(), strict=True))


def off(flow, law, t=0.5):
    """How far from the exact velocity, in the mean over fresh states."""
    x0, z = law.sample(2000, generator=generator(9))
    x = (1 - t) * x0 + t * z
    return float((flow.velocity(x, t) - law.velocity(x, t)).square().sum(1).mean())


@pytest.mark.parametrize("r", [0.0, 0.9])
def test_it_learns_the_velocity_of_its_coupling(r):
    law, x0, z = coupling(r)
    flow = fit(net(), paired(x0, z) if r else independent(x0), steps=200, batch=128, generator=generator())
    assert isinstance(flow, wb.NetworkDenoiser) and flow.predicts == "velocity" and flow.schedule == Rectified()
    other = GaussianCoupling(law.mean, law.covariance, 0.9 - r)
    assert off(flow, law) < 0.03 < 0.06 < off(flow, other)


def test_the_loss_comes_down_to_the_floor():
    law, x0, z = coupling(0.6)
    losses = []
    fit(net(), paired(x0, z), steps=250, batch=128, generator=generator(), callback=lambda step, _: losses.append(step.loss))
    t = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    assert sum(losses[-80:]) / 80 == pytest.approx(float(law.floor(t).mean()) / 2, rel=0.08)


def test_the_seed_decides_and_what_was_given_stays():
    _, x0, _ = coupling(0.0, 256)
    given = net()
    before = [p.clone() for p in given.parameters()]
    run = lambda seed, **more: fit(given, independent(x0), steps=4, batch=64, generator=generator(seed), **more)  # noqa: E731
    assert same(run(0), run(0)) and not same(run(0), run(1))
    for more in ({"times": UShaped()}, {"premetric": PseudoHuber(0.1)}, {"rate": 1e-3}, {"schedule": Constant(warmup=1)}):
        assert not same(run(0), run(0, **more))
    assert all(torch.equal(p, q) for p, q in zip(before, given.parameters(), strict=True))


@pytest.mark.parametrize("couple", [independent, minibatch_ot])
def test_any_coupling_and_any_start(couple):
    _, x0, z = coupling(0.0, 256)
    first = fit(net(), couple(x0), steps=3, batch=64, generator=generator())
    second = fit(first, paired(x0, z), steps=3, batch=64, generator=generator(1))
    assert not same(first, second) and not same(first, fit(net(), paired(x0, z), steps=3, batch=64, generator=generator(1)))


def test_times_are_those_of_the_density():
    _, x0, _ = coupling(0.0, 512)
    seen = []
    fit(
        net(), independent(x0), steps=8, batch=512, times=UShaped(30.0), generator=generator(),
        callback=lambda step, _: seen.append(step.times),
    )  # fmt: skip
    times = torch.cat(seen)
    assert float(((times < 0.1) | (times > 0.9)).float().mean()) == pytest.approx(0.95, abs=0.02)


def test_pictures_of_classes_with_noise_of_their_own():
    x0, z = torch.rand(12, 3, 8, 8, generator=generator()) * 2 - 1, torch.randn(12, 3, 8, 8, generator=generator(1))
    unet = wb.nets.UNet(3, 3, (16,), 1, classes=3, emb=16, side=8, generator=generator())
    flow = fit(unet, paired(x0, z, torch.arange(12) % 3), steps=2, batch=6, generator=generator())
    assert flow.given(torch.arange(12) % 3).velocity(z, 1.0).shape == (12, 3, 8, 8)


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_touched():
    _, x0, _ = coupling(0.0, 256)

    def broken(velocity, target, x, t):
        loss = (velocity - target).square().mean(1)
        return torch.where(t > 0.9, torch.nan, loss)

    with pytest.raises(NonFiniteLoss, match=r"step 1: the loss of \d+ of 64 samples is not finite .*samples \[.*at times 0\.9"):
        fit(net(), independent(x0), steps=3, batch=64, premetric=broken, generator=generator())


def test_what_cannot_be_trained_is_refused_before_any_work():
    _, x0, _ = coupling(0.0, 64)
    with pytest.raises((TypeError, ValueError), match="coupling"):
        fit(net(), x0, steps=1, generator=generator())
    with pytest.raises(ValueError, match="FlowMatching needs a model on Rectified"):
        fit(wb.EDMDenoiser(net()), independent(x0), steps=1, batch=8, generator=generator())
    with pytest.raises(ValueError, match="take a smaller batch"):
        fit(net(), independent(x0), steps=1, generator=generator())
    with pytest.raises(ValueError, match="labels were given, but MLP has no classes"):
        fit(net(), independent(x0, torch.zeros(64, dtype=torch.int64)), steps=1, batch=8, generator=generator())
    with pytest.raises(ValueError, match="steps=0"):
        fit(net(), independent(x0), steps=0, batch=8, generator=generator())
    with pytest.raises(TypeError):
        fit(net(), independent(x0), steps=1, batch=8, generator=None)
    with pytest.raises(TypeError, match="holds no"):
        fit(wb.characters.ring(Rectified()), independent(x0), steps=1, batch=8, generator=generator())
