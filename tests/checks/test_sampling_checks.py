"""The checks of samplers pass on right ones and name the mistake in wrong ones."""

import functools
import math

import pytest
import torch
from helpers import SCHEDULES, T1, Mixture, exact_on_points, label, levels, name

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


@pytest.mark.parametrize("solver", {type(s): s for s in reversed(solvers.ALL) if not s.stochastic}.values(), ids=label)
def test_order_of_every_deterministic_solver(solver) -> None:
    """One of each class: it is the check that is tested here; what settings do to an order is measured in solvers/test_exactness."""
    result = checks.order(solver, solver.global_order)
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
    with pytest.raises(checks.CheckFailed, match="they must be equal"):
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
    [s for s in solvers.ALL if s.stochastic and exact_on_points(s)] + [ancestral],
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


EVERY = (
    lambda step, **kw: checks.order(step, 1, raises=False),
    lambda step, **kw: checks.is_exact_on_point_mass(step, raises=False),
    lambda step, **kw: checks.preserves_marginals(step, samples=500, raises=False),
    lambda step, **kw: checks.counts_evaluations(step, 1, raises=False),
    lambda step, **kw: checks.weak_order(step, 1, raises=False),
)


@pytest.mark.parametrize("measure", EVERY, ids=["order", "point_mass", "marginals", "counts", "weak_order"])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda m, x, t, s: None, "the step returns is None: usual cause: a function without a return"),
        (lambda m, x, t: x, "raised TypeError.*other parameters than those of the call, which is step(model, x, t, s)"),
        (lambda m, x, t, s: x / (1 / 0), "raised ZeroDivisionError.*a division by zero"),
        (lambda m, x, t, s: m.denoise(x, t), "raised AttributeError.*a misspelled name"),
        (lambda m, x, t, s: x @ torch.ones(x.shape[1], x.shape[1]), "raised RuntimeError.*a tensor made without dtype=x.dtype"),
        (lambda m, x, t, s: x[:1], "returned shape .* they must be equal"),
        (lambda m, x, t, s: "text", "of type str, expected numbers"),
    ],
)
def test_a_step_that_breaks_fails_every_check_with_a_message(measure, broken, message) -> None:
    result = measure(broken)
    assert not result.passed and result.earned == 0
    assert all(part in result.message for part in message.split(".*")), result.message


def test_a_solver_that_breaks() -> None:
    class Broken(solvers.DDIM):
        def step(self, model, x, row, memory, draw):
            raise IndexError("no such row")

    for measure in EVERY:
        result = measure(Broken())
        assert not result.passed and "Broken raised IndexError: no such row" in result.message
        assert "the class Heun; pass an instance: Heun()" in measure(solvers.Heun).message


def test_low_precision_is_named() -> None:
    for measure in EVERY[:2]:
        assert "returned torch.float32 for a state in torch.float64" in measure(lambda m, x, t, s: ddim(m, x, t, s).float()).message
    rough = checks.is_exact_on_point_mass(lambda m, x, t, s: ddim(m, x, t, s).float().double(), raises=False)
    assert not rough.passed and "computed in float32" in rough.message
    assert checks.preserves_marginals(lambda m, x, t, s: ddim(m, x, t, s).float()).passed


def in_place(model, x, t, s):
    out = ddim(model, x, t, s)
    return x.copy_(out)


def test_steps_that_work_in_place_spoil_nothing() -> None:
    assert checks.order(in_place, 1).passed and checks.is_exact_on_point_mass(in_place).passed
    assert checks.preserves_marginals(in_place).passed

    buffer = torch.empty(20_000, 2, dtype=torch.float64)
    assert checks.preserves_marginals(lambda m, x, t, s: buffer.copy_(ddim(m, x, t, s))).passed

    class InPlace(solvers.DDIM):
        def step(self, model, x, row, memory, draw):
            out, memory = super().step(model, x.clone(), row, memory, draw)
            return x.copy_(out), memory

    assert checks.order(InPlace(), 1).passed and checks.preserves_marginals(InPlace()).passed


@pytest.mark.parametrize("noisy", [solvers.DDPM(), ancestral, lambda m, x, t, s: ddim(m, x, t, s) + 0.1 * torch.randn(x.shape)])
def test_order_refuses_what_draws_noise(noisy) -> None:
    result = checks.order(noisy, 1, raises=False)
    assert not result.passed and "no path whose order could be measured" in result.message
    assert "weak" in result.message and "preserves_marginals" in result.message and "wrong sign" not in result.message
    assert checks.order(lambda m, x, t, s, generator: ddim(m, x, t, s), 1).passed  # takes one, but does not draw


@pytest.mark.parametrize(
    "step",
    [
        lambda m, x, t, s, *, generator: ancestral(m, x, t, s, generator),
        lambda m, x, t, s, *, generator=None: ancestral(m, x, t, s, generator),
        lambda m, x, t, s, *, scale=1.0, generator: ancestral(m, x, t, s, generator, scale),
        lambda m, x, t, s, scale=1.0, *, generator: ancestral(m, x, t, s, generator, scale),
        lambda m, x, t, s, scale=1.0, power=0.5, generator=None: ancestral(m, x, t, s, generator, scale, power),
        lambda m, x, t, s, rng: ancestral(m, x, t, s, rng),
        lambda m, x, t, s, rng, /: ancestral(m, x, t, s, rng),
        lambda m, x, t, s, *, rng: ancestral(m, x, t, s, rng),
        functools.partial(ancestral, scale=1.0),
    ],
)
def test_every_way_to_take_a_generator(step) -> None:
    assert checks.preserves_marginals(step, samples=5000).passed


def test_an_option_of_a_step_is_no_generator() -> None:
    def step(model, x, t, s, average=True, *options, **more):
        assert average is True and not options and not more
        return ddim(model, x, t, s)

    assert checks.order(step, 1).passed


def test_point_mass_says_what_is_not_finite() -> None:
    for value, kind in ((math.nan, "NaN"), (math.inf, "infinity")):
        result = checks.is_exact_on_point_mass(lambda m, x, t, s, v=value: x.abs() + v, raises=False)
        assert f"produced {kind}" in result.message and "alpha" not in result.message


def test_marginals_leave_room_for_the_bias_of_a_method() -> None:
    biased = checks.preserves_marginals(lambda m, x, t, s: x + (s - t) * m.velocity(x, t), steps=12, raises=False)
    assert not biased.passed and "usual cause: either " in biased.message
    assert "or the method's own bias at 12 steps" in biased.message
    shifted = checks.preserves_marginals(lambda m, x, t, s: ddim(m, x, t, s) + 0.1, raises=False)
    assert "usual cause: either a wrong factor" in shifted.message and "own bias at 8 steps" in shifted.message
