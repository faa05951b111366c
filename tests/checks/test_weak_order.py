"""The check of weak order: its closed form against formulas and real draws, right samplers pass, wrong ones are named."""

import math
import random

import pytest
import torch
from gaussian_recursion import propagate
from helpers import exact_on_points, label, levels

import workbench as wb
from workbench import checks, solvers
from workbench.checks.laws import CheckMixture, CheckNormal
from workbench.checks.probing import Probes, moments
from workbench.schedules import VE, VP, Rectified

STOCHASTIC = [s for s in solvers.ALL if s.stochastic and not isinstance(s, solvers.DDCM)]


def ancestral(model, x, t, s, generator, noise=1.0, keep=True, scale=1.0, power=1, old=False):
    f = model.schedule
    h = f.log_snr(s) - f.log_snr(t)
    fresh = -math.expm1(-2 * h)
    std = f.sigma(t if old else s) * math.sqrt(fresh)
    along = f.sigma(s) * (math.exp(-h) if keep else 1.0)
    z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return f.alpha(s) * scale * model.data(x, t) + along * model.noise(x, t) + noise * std**power * z


def test_moments_are_those_of_one_step_on_paper() -> None:
    """x_s = a x + b + c z on N(0.7, 0.4^2): the three numbers from Bayes' rule for the model, by hand for the step."""
    f, t, s = VP(), 0.6, 0.3
    law = CheckMixture(f, ((1.0,), (0.7,), (0.4,)))
    (a, b), (c, d) = levels(f, t), levels(f, s)
    h = math.log(c / d) - math.log(a / b)
    gain = a * 0.16 / (a * a * 0.16 + b * b)
    carried, mixed = d / b * math.exp(-h), c * (1 - math.exp(-2 * h))
    slope, shift = carried + mixed * gain, mixed * (0.7 - gain * a * 0.7)
    got = moments(ancestral, law, [t, s], 0.2, 0.9)
    wanted = slope * 0.2 + shift, slope**2 * 0.9 + d * d * (1 - math.exp(-2 * h)), 1
    assert tuple(got) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("schedule", [VP(), VE(), Rectified()], ids=["VP", "VE", "Rectified"])
def test_the_gaussian_behind_the_check(schedule) -> None:
    x, times = torch.tensor([[-1.0], [0.4], [2.0]], dtype=torch.float64), torch.tensor([0.9, 0.5, 0.02], dtype=torch.float64)
    law, mixture = CheckNormal(schedule, 0.7, 0.4), CheckMixture(schedule, ((1.0,), (0.7,), (0.4,)))
    torch.testing.assert_close(law.noise(x, 0.3), mixture.noise(x, 0.3), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(law.noise(x, times), mixture.noise(x, times), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("solver", [solvers.DDIM(eta=0.5), solvers.Heun(churn=10.0), solvers.SDEDPMSolverPP(order=3)], ids=label)
def test_moments_are_those_of_the_tests_own_recursion(solver) -> None:
    law, grid = CheckMixture(VP(), ((1.0,), (0.7,), (0.4,))), wb.grids.log_snr(VP(), 9, 1.0, 0.01)
    got = moments(solver, law, grid.tolist(), 0.3, 1.1)
    assert got[:2] == pytest.approx(propagate(solver, law, grid, 0.3, 1.1), rel=1e-12) and got.draws in (8, 9)


def test_moments_are_those_of_real_draws() -> None:
    law, times = CheckMixture(VP(), ((1.0,), (0.7,), (0.4,))), wb.grids.log_snr(VP(), 5, 1.0, 0.01).tolist()
    stream, size = torch.Generator().manual_seed(3), 40_000
    x = torch.randn(size, 1, generator=stream, dtype=torch.float64)
    for t, s in zip(times, times[1:], strict=False):
        x = ancestral(law, x, t, s, stream)
    mean, variance, _ = moments(ancestral, law, times, 0.0, 1.0)
    assert (mean, variance) == pytest.approx(moments(ancestral, CheckNormal(VP(), 0.7, 0.4), times, 0.0, 1.0)[:2], rel=1e-10)
    assert abs(x.mean().item() - mean) < 4 * math.sqrt(variance / size)
    assert abs(x.var().item() - variance) < 4 * variance * math.sqrt(2 / size)


def test_every_way_to_draw() -> None:
    """Each returns the probe with its own mean and deviation, and leaves the random states alone."""
    columns, ours, world = torch.eye(4, dtype=torch.float64), torch.Generator().manual_seed(1), torch.get_rng_state()
    before, out = ours.get_state(), []
    with Probes(columns) as probes:
        out.append(torch.randn(4, 1, generator=ours, dtype=torch.float64))
        out.append(torch.randn_like(torch.ones(4, 1, dtype=torch.float64)))
        out.append(torch.normal(2.0, 3.0, (4, 1), generator=ours, dtype=torch.float64))
        out.append(torch.empty(4, 1, dtype=torch.float64).normal_(2.0, std=3.0, generator=ours))
        assert torch.zeros(2).sum() == 0
    wanted = [columns[:, :1], columns[:, 1:2], 2 + 3 * columns[:, 2:3], 2 + 3 * columns[:, 3:]]
    assert all(torch.equal(one, other) for one, other in zip(out, wanted, strict=True)) and probes.draws == 4
    with Probes(columns):
        ones = torch.ones(4, 1, dtype=torch.float64)
        assert torch.equal(torch.normal(2 * ones, 3 * ones), 2 + 3 * columns[:, :1])
        assert torch.equal(torch.normal(mean=0.0, std=2 * ones, generator=ours), 2 * columns[:, 1:2])
    assert torch.equal(ours.get_state(), before) and torch.equal(torch.get_rng_state(), world)


@pytest.mark.parametrize("solver", STOCHASTIC, ids=label)
def test_every_stochastic_solver(solver) -> None:
    """Of the order it claims, and not of the next."""
    claim = solver.global_order
    assert checks.weak_order(solver, claim).passed
    if exact_on_points(solver):
        assert not checks.weak_order(solver, claim + 1, raises=False).passed


@pytest.mark.parametrize("schedule", [VE(), Rectified()], ids=["VE", "Rectified"])
def test_other_schedules(schedule) -> None:
    assert checks.weak_order(solvers.SDEDPMSolverPP(), 2, schedule=schedule).passed
    assert not checks.weak_order(solvers.DDPM(), 2, schedule=schedule, raises=False).passed


def test_without_noise_it_is_the_order_of_the_variance() -> None:
    assert checks.weak_order(solvers.DPMSolverPP2M(), 2).passed and checks.weak_order(solvers.RK4(), 4).passed
    assert checks.weak_order(solvers.Midpoint(), 2).passed  # of order 3 on a Gaussian, and better than claimed is no mistake
    assert not checks.weak_order(solvers.DDIM(), 2, raises=False).passed


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"noise": 0.5}, "too little noise is drawn.*the limit is too narrow"),
        ({"power": 2}, "a variance where its root belongs"),
        ({"noise": 1.4}, "the limit is too wide"),
        ({"keep": False}, "without shrinking the predicted noise"),
        ({"scale": 0.9}, "mean of order .*a wrong factor of the data prediction"),
    ],
)
def test_wrong_steps_are_named(wrong, cause) -> None:
    def step(model, x, t, s, generator):
        return ancestral(model, x, t, s, generator, **wrong)

    with pytest.raises(checks.CheckFailed, match=cause):
        checks.weak_order(step, 1)


def test_points() -> None:
    result = checks.weak_order(ancestral, 1, points=2)
    assert result.earned == 2 and "mean exact to rounding; variance of order 0.9" in result.message
    assert checks.weak_order(ancestral, 2, points=2, raises=False).earned == 0


def test_more_mistakes() -> None:
    def forgotten(model, x, t, s):
        """The drift of the reverse diffusion without its noise."""
        f = model.schedule
        h = f.log_snr(s) - f.log_snr(t)
        return f.sigma(s) / f.sigma(t) * math.exp(-h) * x - f.alpha(s) * math.expm1(-2 * h) * model.data(x, t)

    def clipped(model, x, t, s, generator):
        f = model.schedule
        return ancestral(model, x, t, s, generator).clamp(-f.sigma(s) - 0.5, f.sigma(s) + 0.5)

    def shared(model, x, t, s, generator):
        return ancestral(model, x, t, s, generator, noise=0.0) + 0 * torch.randn(1, generator=generator, dtype=x.dtype)

    def elsewhere(model, x, t, s):
        return x + random.gauss(0, 0.1)

    for step, cause in (
        (forgotten, "no noise is drawn, though the drift is that of a sampler with noise"),
        (clipped, "not affine in its state and its noise.*clipping"),
        (shared, r"noise of shape \(1,\).*one draw that all samples share"),
        (elsewhere, "noise that comes from somewhere else"),
        (lambda m, x, t, s: x / (s - s), "not finite"),
        (solvers.DDCM(), "the limit is too narrow"),
        (solvers.DDPM(), "expected 2: usual cause: the model's answer is held still over the step"),
    ):
        expected = 2 if isinstance(step, solvers.DDPM) else 1
        with pytest.raises(checks.CheckFailed, match=cause):
            checks.weak_order(step, expected)


def test_noise_of_the_noisier_time_is_another_correct_limit() -> None:
    """sigma_t for sigma_s under the root is DDPM's forward variance: of weak order 1, and no mistake in the limit."""
    assert checks.weak_order(lambda m, x, t, s, g: ancestral(m, x, t, s, g, old=True), 1).passed
