"""A network trained on pairs."""

import pytest
import torch
from pairs import gaussian_pairs, mixture_pairs

import workbench as wb
from workbench.bridges import Bridge, BridgeMatching, WithEnd, fit, translate


def untrained(schedule, rng, dim=2):
    net = WithEnd(wb.nets.MLP(dim, width=32, depth=2, inputs=2 * dim, generator=rng))
    return wb.EDMDenoiser(net, sigma_data=1.0, schedule=schedule)


def test_a_network_comes_near_the_exact_denoiser(rng):
    schedule = Bridge()
    pairs = mixture_pairs(schedule)
    x0, end = pairs.sample(4000, generator=rng)
    before = untrained(schedule, rng)
    after = fit(before, x0, end, steps=120, generator=rng, batch=128)
    x0, end = pairs.sample(500, generator=rng)
    y = schedule.alpha(0.7) * x0 + schedule.sigma(0.7) * torch.randn(500, 2, generator=rng)
    exact = pairs.given(end).data(y, 0.7)
    with torch.no_grad():
        errors = [(model.given(end).data(y, 0.7) - exact).square().mean().item() for model in (before, after)]
    assert errors[1] < 0.35 * errors[0]
    run = translate(after, end, wb.grids.log_snr(schedule, 6, 1.0, 0.0), generator=rng)
    assert run.evaluations == 6 and bool(run.x.isfinite().all())


def test_loss_of_the_exact_denoiser_is_the_least(rng):
    """The objective judges the model that is bound to the second of each pair."""
    schedule = Bridge()
    pairs = gaussian_pairs(schedule)
    model = untrained(schedule, rng)
    both = torch.stack(pairs.sample(64, generator=rng), 1)
    objective = BridgeMatching()
    noise, t = objective.draw(schedule, both, rng)
    assert noise.shape == (64, 2) and t.shape == (64,)
    loss = objective.judge(model, both, noise, t)
    y = torch.stack([schedule.alpha(u) * x + schedule.sigma(u) * z for u, x, z in zip(t.tolist(), both[:, 0], noise, strict=True)])
    guess = model.given(both[:, 1]).data(y, t)
    expected = ((guess - both[:, 0]) / model.scale(t).float()[:, None]).square().mean(1)
    assert torch.allclose(loss, expected, rtol=1e-5)


def test_bad_training_is_refused(rng):
    x0 = torch.zeros(8, 2)
    with pytest.raises((ValueError, TypeError), match="bridge schedule|Pinned|type hint"):
        fit(untrained(wb.schedules.VP(), rng), x0, x0, steps=1, generator=rng, batch=4)
    with pytest.raises((ValueError, TypeError), match="two samples of one shape|type hint"):
        fit(untrained(Bridge(), rng), x0, x0[:4], steps=1, generator=rng)
    plain = wb.NetworkDenoiser(WithEnd(wb.nets.MLP(2, inputs=4, generator=rng)), Bridge(), predicts="noise")
    with pytest.raises((ValueError, TypeError), match="Preconditioned|type hint"):
        fit(plain, x0, x0, steps=1, generator=rng, batch=4)
