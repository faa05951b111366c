"""The checks of samplers pass on right ones and name the mistake in wrong ones."""

import math

import pytest
import torch
from helpers import SCHEDULES, T1, Mixture, label, levels, name

import workbench as wb
from workbench import checks, solvers
from workbench.checks.laws import CheckMixture
from workbench.schedules import VP

S = VP()


def ddim(model, x, t, s):
    return model.schedule.alpha(s) * model.data(x, t) + model.schedule.sigma(s) * model.noise(x, t)


def sign(model, x, t, s):
    return model.schedule.alpha(s) * model.data(x, t) - model.schedule.sigma(s) * model.noise(x, t)


def no_alpha(model, x, t, s):
    return model.data(x, t) + model.schedule.sigma(s) * model.noise(x, t)


def old_sigma(model, x, t, s):
    return model.schedule.alpha(s) * model.data(x, t) + model.schedule.sigma(t) * model.noise(x, t)


def squared(model, x, t, s):
    return model.schedule.alpha(s) * model.data(x, t) + model.schedule.sigma(s) ** 2 * model.noise(x, t)


def still(model, x, t, s):
    return x


def heun(model, x, t, s, average=True, new_time=True):
    f = model.schedule
    y, r, q = x / f.alpha(t), f.sigma(t) / f.alpha(t), f.sigma(s) / f.alpha(s)
    k = model.noise(x, t)
    ahead = y + (q - r) * k
    k2 = model.noise(f.alpha(s) * ahead, s) if average else model.noise(x, t)
    if not new_time:
        k2 = model.noise(f.alpha(t) * ahead, t)
    return f.alpha(s) * (y + (q - r) * (k + k2) / 2)


def half_step(model, x, t, s):
    f = model.schedule
    return f.alpha(s) * (x / f.alpha(t) + 0.5 * (f.sigma(s) / f.alpha(s) - f.sigma(t) / f.alpha(t)) * model.noise(x, t))


@pytest.mark.parametrize("solver", [s for s in solvers.ALL if not s.stochastic], ids=label)
def test_order_of_every_deterministic_solver(solver) -> None:
    result = checks.order(solver, solver.order)
    assert result.passed and result.points == 1 == result.earned and "measured order" in result.message


def test_order_of_steps_right_and_wrong() -> None:
    assert checks.order(ddim, expected=1).passed and checks.order(heun, expected=2, points=3).earned == 3
    for wrong, claimed, cause in (
        (lambda m, x, t, s: heun(m, x, t, s, average=False), 2, "the second slope is evaluated at the old point"),
        (lambda m, x, t, s: heun(m, x, t, s, new_time=False), 2, "the old time"),
        (ddim, 2, r"measured order 0.99, expected 2"),
        (half_step, 1, "wrong sign, factor or time"),
        (sign, 1, "usual cause"),
        (still, 1, "another limit than the exact flow"),
        (solvers.Heun(), 1, "better than claimed"),
        (solvers.Heun(), 4, "weight of lower order"),
        (lambda m, x, t, s: x / (s - s), 1, "not finite"),
    ):
        with pytest.raises(checks.CheckFailed, match=cause) as caught:
            checks.order(wrong, claimed)
        assert isinstance(caught.value, AssertionError) and not caught.value.result.passed
        result = checks.order(wrong, claimed, raises=False)
        assert result == caught.value.result and result.earned == 0 and str(result).startswith("FAILED: order")
    with pytest.raises(ValueError, match="they must be equal"):
        checks.order(lambda m, x, t, s: x[:1], 1)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_the_law_behind_the_checks(schedule) -> None:
    """Its predictions and its exact flow (by distribution functions) against the tests' own law and an integrator."""
    law = CheckMixture(schedule)
    start, stop = (0.9, 0.05) if schedule.t_max == 1 else (20.0, 0.1)
    x = law.spread(start)
    torch.testing.assert_close(law.noise(x, start), Mixture(schedule, T1).answer("noise", x, start), rtol=1e-12, atol=1e-14)
    t = torch.full((5,), start, dtype=torch.float64)
    torch.testing.assert_close(law.data(x, t), Mixture(schedule, T1).answer("data", x, start), rtol=1e-10, atol=1e-10)
    by_steps = solvers.reference(Mixture(schedule, T1), x, start, stop).x
    torch.testing.assert_close(law.flow(x, start, stop), by_steps, rtol=0, atol=1e-7)


@pytest.mark.parametrize("solver", [solvers.DDIM(), solvers.Heun(), solvers.Midpoint(), solvers.RK4(), ddim, heun], ids=name)
def test_point_mass_right(solver) -> None:
    assert checks.is_exact_on_point_mass(solver).passed


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (sign, "the noise enters with the wrong sign"),
        (no_alpha, "alpha_s is missing in front of the data"),
        (old_sigma, "the old sigma_t instead of sigma_s"),
        (squared, "sigma_s is squared"),
        (still, "the state does not move"),
        (lambda m, x, t, s: m.schedule.alpha(t) * m.data(x, t) + m.schedule.sigma(s) * m.noise(x, t), "the old alpha_t"),
        (lambda m, x, t, s: m.schedule.alpha(s) * m.data(x, t), "the noise is left out"),
        (lambda m, x, t, s: 2 * x - ddim(m, x, t, s), "the wrong way"),
        (lambda m, x, t, s: ddim(m, x, t, 0.5 * s), "wrong time, or the formula holds on another schedule only"),
        (lambda m, x, t, s: x + (s - t) * m.velocity(x, t), "usual cause"),
        (solvers.RK4(variable="t"), "on VP"),
    ],
)
def test_point_mass_wrong(wrong, cause) -> None:
    with pytest.raises(checks.CheckFailed, match=cause):
        checks.is_exact_on_point_mass(wrong)


def ancestral(model, x, t, s, generator, scale=1.0, power=0.5, keep=True, shared=False, old=False):
    f = model.schedule
    h = f.log_snr(s) - f.log_snr(t)
    fresh = -math.expm1(-2 * h)
    variance = f.sigma(t if old else s) ** 2 * fresh
    along = math.sqrt(f.sigma(s) ** 2 - f.sigma(s) ** 2 * fresh) if keep else f.sigma(s)
    z = torch.randn(len(x), 1 if shared else x.shape[1], generator=generator, dtype=x.dtype)
    return f.alpha(s) * scale * model.data(x, t) + along * model.noise(x, t) + variance**power * z


@pytest.mark.parametrize(
    "solver",
    [s for s in solvers.ALL if s.stochastic and getattr(s, "variance", "small") == "small"] + [ancestral],
    ids=lambda solver: getattr(solver, "__name__", str(solver)),
)
def test_marginals_right(solver) -> None:
    assert checks.preserves_marginals(solver).passed


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"power": 1.0}, "scaled by its variance where its standard deviation belongs"),
        ({"keep": False}, "without shrinking the predicted noise"),
        ({"scale": 0.9}, "a wrong factor of the data prediction"),
        ({"shared": True}, "one draw of noise used for all"),
        ({"old": True}, "sigma is taken at the noisier time"),
    ],
)
def test_marginals_wrong(wrong, cause) -> None:
    def step(model, x, t, s, generator):
        return ancestral(model, x, t, s, generator, **wrong)

    with pytest.raises(checks.CheckFailed, match=cause):
        checks.preserves_marginals(step)


def test_marginals_of_other_laws() -> None:
    assert checks.preserves_marginals(solvers.RK4(), std=0.5, steps=40).passed
    result = checks.preserves_marginals(solvers.DDPM(), std=0.4, mean=0.0, raises=False)
    assert not result.passed and "variance" in result.message  # the known bias of few ancestral steps
    missing = checks.preserves_marginals(lambda m, x, t, s: m.schedule.alpha(s) * m.data(x, t), raises=False)
    assert "the fresh noise is missing" in missing.message


@pytest.mark.parametrize("solver", solvers.ALL, ids=label)
def test_counts_right(solver) -> None:
    assert checks.counts_evaluations(solver).passed


def test_counts_wrong() -> None:
    def twice(model, x, t, s):
        return ddim(model, x, t, s) + 0 * model.data(x, t)

    assert checks.counts_evaluations(ddim, expected=2).passed  # two faces are two calls
    assert checks.counts_evaluations(heun, expected=2).passed
    with pytest.raises(checks.CheckFailed, match=r"3 evaluations for 1 steps, expected 1.*two faces are asked"):
        checks.counts_evaluations(twice, expected=1)

    class Liar(solvers.DDIM):
        def evaluations(self, steps, *, to_zero=True):
            return steps + 1

    with pytest.raises(checks.CheckFailed, match="expected 2"):
        checks.counts_evaluations(Liar())
    with pytest.raises(TypeError, match="pass expected="):
        checks.counts_evaluations(ddim)
    assert levels(S, 1.0)[0] < 0.01 and wb.checks is checks
