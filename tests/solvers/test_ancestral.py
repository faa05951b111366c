"""Ancestral and DDCM: k-diffusion's words, DDIM's, diffusers' schedulers, and what goes wrong with flow matching."""

import itertools
import math

import numpy as np
import pytest
import torch
from gaussian_recursion import propagate
from helpers import POINT, PRESERVING, SCHEDULES, T1, Exact, Mixture, levels, name
from schedulers import scheduler

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)


def draws(seed: int):
    """What ``solve`` draws with this seed, step after step."""
    stream = torch.Generator().manual_seed(seed)
    return (torch.randn(X.shape, generator=stream).double() for _ in range(50))


@every
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0, 1.7, 30.0])
def test_down_and_up_in_rho(schedule, eta) -> None:
    """k-diffusion's loop on y = x / alpha, with the noise prediction as the slope."""
    model, grid, noise = Mixture(schedule), wb.grids.karras(schedule, 6), draws(3)
    y = X / levels(schedule, grid[0].item())[0]
    for t, s in itertools.pairwise(grid.tolist()):
        (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
        now, target = b / a, d / c
        up = min(target, eta * math.sqrt(target**2 * (now**2 - target**2) / now**2))
        down = math.sqrt(target**2 - up**2)
        y = y + (down - now) * model.answer("noise", a * y, t)
        y = y + up * next(noise) if eta else y
    run = wb.solve(model, X, grid, solvers.Ancestral(eta=eta), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(run.x, levels(schedule, grid[-1].item())[0] * y, rtol=1e-9, atol=1e-9)


@every
def test_from_ddim_through_ddpm_to_all_new_noise(schedule) -> None:
    """One family: DDIM with the same eta up to 1, DDPM at 1, and DDCM at infinity."""
    grid = wb.grids.karras(schedule, 7)

    def same(one, other, rel=1e-9):
        for row, wanted in zip(one.plan(schedule, grid), other.plan(schedule, grid), strict=True):
            assert tuple(row) == pytest.approx(tuple(wanted), rel=rel, abs=1e-12)

    for eta in (0.0, 0.3, 1.0):
        same(solvers.Ancestral(eta=eta), solvers.DDIM(eta=eta))
    same(solvers.Ancestral(), solvers.DDPM())
    same(solvers.Ancestral(eta=math.inf), solvers.DDCM())


@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_naive_use_on_straight_lines_brings_too_much_signal(eta) -> None:
    """sigma = t in the place of rho: a point mass at 0.7 arrives with the signal 1 - sigma_down, the noise level is right."""
    schedule, t, s = Rectified(), 0.8, 0.5
    up = min(s, eta * math.sqrt(s**2 * (t**2 - s**2) / t**2))
    down = math.sqrt(s**2 - up**2)
    eps = torch.tensor([[-1.3, 0.2]], dtype=torch.float64)
    x = 0.2 * 0.7 + 0.8 * eps
    naive = x + (down - t) * Mixture(schedule, POINT).answer("velocity", x, t)  # and then up * z
    torch.testing.assert_close(naive, (1 - down) * 0.7 + down * eps, rtol=0, atol=1e-14)
    assert 1 - down - (1 - s) == pytest.approx(s - down) and s - down > 0.01
    (row,) = solvers.Ancestral(eta=eta).plan(schedule, torch.tensor([t, s], dtype=torch.float64))
    right = row.x * x + row.data * 0.7
    fresh = math.sqrt(s**2 - row.noise**2)
    torch.testing.assert_close(right, (1 - s) * 0.7 + fresh * eps, rtol=0, atol=1e-14)


def test_euler_ancestral_of_diffusers() -> None:
    theirs, model, x = scheduler("EulerAncestralDiscrete", timestep_spacing="trailing"), Mixture(VE(), T1, "noise"), 100 * X
    theirs.set_timesteps(8)
    stream = torch.Generator().manual_seed(4)
    grid = theirs.sigmas.double().tolist()
    for sigma, n in zip(grid, theirs.timesteps, strict=False):
        theirs.scale_model_input(x, n)
        x = theirs.step(model.answer("noise", x, sigma).float(), n, x, generator=stream).prev_sample.double()
    run = wb.solve(model, 100 * X, grid, solvers.Ancestral(), generator=torch.Generator().manual_seed(4))
    assert grid[-1] == 0
    torch.testing.assert_close(run.x, x, rtol=0, atol=2e-5)


def test_ddcm_is_the_stochastic_sampling_of_flow_matching_in_diffusers() -> None:
    theirs, x = scheduler("FlowMatchEulerDiscrete", shift=3.0, stochastic_sampling=True), X.float()
    theirs.set_timesteps(sigmas=np.linspace(1, 0.1, 10).tolist())
    model, stream = Mixture(Rectified(), T1, "velocity"), torch.Generator().manual_seed(4)
    grid = wb.grids.flow_shift(Rectified(), 10, 0.999, 0.0, shift=3.0)
    theirs.sigmas = grid.float()
    for i, t in enumerate(theirs.timesteps):
        velocity = model.answer("velocity", x.double(), grid[i].item()).float()
        x = theirs.step(velocity, t, x, generator=stream).prev_sample
    run = wb.solve(model, X, grid, solvers.DDCM(), generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(run.x, x.double(), rtol=0, atol=2e-5)


@every
def test_ddcm_in_the_words_of_the_paper(schedule) -> None:
    model, grid, noise, x = Mixture(schedule), wb.grids.karras(schedule, 5), draws(6), X
    for t, s in itertools.pairwise(grid.tolist()):
        c, d = levels(schedule, s)
        x = c * model.answer("data", x, t) + (math.sqrt(1 - c * c) if schedule in PRESERVING else d) * next(noise)
    run = wb.solve(model, X, grid, solvers.DDCM(), generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(run.x, x, rtol=1e-9, atol=1e-9)
    assert run.evaluations == 5


class Consistent(wb.Denoiser):
    """Answers with the end of the flow instead of the posterior mean: a perfect consistency model of N(mean, std^2)."""

    predicts = "data"

    def __init__(self, schedule, mean: float, std: float) -> None:
        self.schedule, self.mean, self.std = schedule, mean, std

    def predict(self, x, t):
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return self.mean + self.std * (x - alpha * self.mean) / math.hypot(alpha * self.std, sigma)


@every
def test_ddcm_is_exact_with_a_consistency_model_and_only_there(schedule) -> None:
    """With the flow's end as data prediction every step ends in the exact law; with the posterior mean half the variance is lost."""
    grid = wb.grids.log_snr(schedule, 4, stop=2 * schedule.t_last)
    (a, b), (c, d) = levels(schedule, grid[0].item()), levels(schedule, grid[-1].item())
    start = a * 0.3, (a * 0.4) ** 2 + b * b
    for n in (1, 4):
        got = propagate(
            solvers.DDCM(), Consistent(schedule, 0.3, 0.4), wb.grids.log_snr(schedule, n, stop=2 * schedule.t_last), *start
        )
        assert got == pytest.approx((c * 0.3, (c * 0.4) ** 2 + d * d), rel=1e-9)
    law = Exact(schedule, ((1.0,), (0.3,), (0.4,)))
    shares = []
    for n in (100, 200, 800):
        grid = wb.grids.log_snr(schedule, n, stop=schedule.inverse_log_snr(4.0))
        shares.append(propagate(solvers.DDCM(), law, grid, *start)[1] / levels(schedule, grid[-1].item())[0] ** 2 / 0.16)
    assert shares == pytest.approx([0.5, 0.5, 0.5], abs=0.03) and shares[-1] == pytest.approx(0.5, abs=0.004), shares


def test_the_limit_of_ddcm_is_half_the_variance() -> None:
    """Its fixed point at one level: V = g^2 V + rho^2 with the gain g = v / (v + rho^2); V -> v / 2 as rho -> 0."""
    v = 0.16
    for rho in (0.1, 0.01, 0.001):
        gain = v / (v + rho**2)
        assert rho**2 / (1 - gain**2) == pytest.approx(v / 2, rel=2 * rho**2 / v)


def test_messages() -> None:
    with pytest.raises(ValueError, match="eta must be 0 \\(deterministic\\) or more, got -1"):
        solvers.Ancestral(eta=-1.0)
    with pytest.raises(ValueError, match="eta must be 0"):
        solvers.Ancestral(eta=math.nan)
    assert not solvers.Ancestral(eta=0.0).stochastic and solvers.DDCM().global_order == 0
    assert "crowson2022kdiffusion" in wb.cite(solvers.Ancestral()) and "xu2024infedit" in wb.cite(solvers.DDCM())
    assert wb.solve(Mixture(VP()), X, [0.9, 0.4], solvers.Ancestral(eta=0.0)).x.isfinite().all()
