"""The checks of answers, models, schedules and grids pass on right ones and name the mistake in wrong ones."""

import dataclasses
import math

import pytest
import torch
from helpers import SCHEDULES, T1, Mixture, gaussian_flow, levels, log_density, name

import workbench as wb
from workbench import checks
from workbench.schedules import VE, VP, DiscreteVP, Rectified

X = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]


def test_results_are_frozen_values() -> None:
    result = checks.same(1.0, 1.0, points=2)
    assert (result.name, result.passed, result.points, result.earned) == ("same", True, 2, 2) and "passed: same" in str(result)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.passed = False


@pytest.mark.parametrize("right", [2.5, [1.0, -2.0], torch.eye(2), (0.0, 3.0)])
def test_same_right(right) -> None:
    assert checks.same(right, right).passed
    assert checks.same(torch.as_tensor(right).double() * (1 + 1e-8) + 1e-11, right).passed


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda v: -v, "sign flipped$"),
        (lambda v: 2 * v, "off by a factor 2$"),
        (lambda v: v / 2, "off by a factor 1/2$"),
        (lambda v: -2 * v, "sign flipped and off by a factor 2$"),
        (lambda v: v * math.pi * 2, "off by a factor 2 pi"),
        (lambda v: v * 0.3, "a factor sigma too much, as when sigma stands where sigma squared belongs"),
        (lambda v: v / 0.3, "a factor sigma missing"),
        (lambda v: -v / 0.3, "sign flipped and a factor sigma missing"),
        (lambda v: v * 0.09, "sigma squared too much"),
        (lambda v: v**2, "a variance where a standard deviation is asked for"),
        (lambda v: v.sqrt(), "a standard deviation where a variance is asked for"),
        (lambda v: 1 / v, "turned upside down"),
        (lambda v: v.log(), "the logarithm or the exponential"),
        (lambda v: v * 1.37, "off by a constant factor 1.37"),
        (lambda v: v + 0.7, "off by the constant 0.7"),
        (lambda v: v * math.nan, "not finite"),
        (lambda v: v + torch.tensor([0.0, 0.3, -0.1]), "largest difference 0.3"),
        (lambda v: v[:2], r"shape \(2,\), expected \(3,\)"),
    ],
)
def test_same_wrong(wrong, hint) -> None:
    right = torch.tensor([0.81, 3.7, 2.3], dtype=torch.float64)
    with pytest.raises(checks.CheckFailed, match=hint):
        checks.same(wrong(right), right, scales={"sigma": 0.3})


def test_same_transposed() -> None:
    matrix = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert "transposed" in checks.same(matrix.T, matrix, raises=False).message


def test_deterministic() -> None:
    shared = torch.Generator().manual_seed(0)
    assert checks.is_deterministic(lambda: torch.randn(3, generator=torch.Generator().manual_seed(0))).passed
    assert checks.is_deterministic(lambda: (torch.ones(2), 3.0)).passed
    world = torch.get_rng_state()
    with pytest.raises(checks.CheckFailed, match="global random state"):
        checks.is_deterministic(lambda: torch.randn(3))
    assert torch.equal(world, torch.get_rng_state())
    with pytest.raises(checks.CheckFailed, match="used up by the first call"):
        checks.is_deterministic(lambda: torch.randn(3, generator=shared))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_score_right(schedule) -> None:
    t = 0.4
    assert checks.is_score_of(
        lambda x: Mixture(schedule).score(x, t), lambda x: log_density(T1, *levels(schedule, t), x).sum(1), X
    ).passed


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, s: x / s**2, "sign flipped$"),
        (lambda x, s: -x / s, "a factor sigma too much, as when sigma stands where sigma squared belongs"),
        (lambda x, s: -x, "sigma squared too much"),
        (lambda x, s: x / s, "sign flipped and a factor sigma"),
        (lambda x, s: -2 * x / s**2, "off by a factor 2"),
        (lambda x, s: (-x / s**2).squeeze(1), "the shape of x"),
    ],
)
def test_score_wrong(wrong, hint) -> None:
    s = 0.37
    right = checks.is_score_of(lambda x: -x / s**2, lambda x: -0.5 * (x / s).square().sum(1), X, sigma=s)
    assert right.passed
    with pytest.raises(checks.CheckFailed, match=hint):
        checks.is_score_of(lambda x: wrong(x, s), lambda x: -0.5 * (x / s).square().sum(1), X, sigma=s)


def data(n: int = 20_000) -> torch.Tensor:
    """Draws from T1."""
    generator = torch.Generator().manual_seed(4)
    pick = (torch.rand(n, 1, generator=generator) < 0.6).double()
    noise = torch.randn(n, 1, generator=generator).double()
    return torch.where(pick > 0, 1.0 + 0.8 * noise, -1.5 + 0.6 * noise)


@pytest.mark.parametrize("source", ["data", "noise", "velocity"])
def test_denoiser_right(source) -> None:
    for schedule in (VP(), VE(), Rectified()):
        assert checks.is_denoiser(Mixture(schedule, T1, source), data()).passed


def test_denoiser_wrong() -> None:
    class Flipped(Mixture):
        def score(self, x, t):
            return -super().score(x, t)

    class Unscaled(Mixture):
        def score(self, x, t):
            return -self.noise(x, t)

    class Halved(Mixture):
        def velocity(self, x, t):
            return super().velocity(x, t) / 2

    for model, hint in (
        (Flipped(VP()), "score and data disagree at t = 0.2: sign flipped"),
        (Unscaled(VP()), "score and data disagree.*a factor sigma too much"),
        (Halved(VP()), "velocity and data disagree.*off by a factor 1/2"),
        (Mixture(VP(), ((0.4, 0.6), (-1.2, 1.3), (0.6, 0.8))), "correlated with 1 .*a shifted mean"),
        (Mixture(VP(), ((0.4, 0.6), (-1.5, 1.0), (0.36, 0.64))), "not the posterior mean"),
        (wb.NetworkDenoiser(lambda x, t: x, VP(), predicts="data"), "not the posterior mean"),
        (wb.Guided(Mixture(VP()), Mixture(VP(), ((1.0,), (0.0,), (1.0,))), 3.0), "not the posterior mean"),
    ):
        with pytest.raises(checks.CheckFailed, match=hint):
            checks.is_denoiser(model, data())


def test_flow() -> None:
    mean, std = 0.5, 0.6
    law = Mixture(VP(), ((1.0,), (mean,), (std,)))

    def flow(x, t, s, power=0.5, center=True):
        (a, b), (c, d) = levels(VP(), t), levels(VP(), s)
        ratio = (((c * std) ** 2 + d**2) / ((a * std) ** 2 + b**2)) ** power
        return (c * mean if center else mean) + ratio * (x - (a * mean if center else mean))

    assert checks.flows_to(flow, law, X).passed
    assert checks.flows_to(lambda x, t, s: gaussian_flow(VP(), mean, std, x, t, s), law, X).passed
    for wrong, hint in (
        (lambda x, t, s: flow(x, t, s, power=1.0), "variance in place of standard deviation"),
        (lambda x, t, s: flow(x, t, s, center=False), "the mean not scaled by alpha"),
        (lambda x, t, s: flow(x, s, t), "sign flipped|velocity"),
        (lambda x, t, s: x, "does not move with the law's velocity"),
        (lambda x, t, s: flow(x, t, s) + 0.1, r"flow\(x, t, t\) is not x: off by the constant 0.1"),
        (lambda x, t, s: flow(x, 0.8, s), r"flow\(x, t, t\) is not x|by way of"),
    ):
        with pytest.raises(checks.CheckFailed, match=hint):
            checks.flows_to(wrong, law, X, times=(0.8, 0.5, 0.2))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_schedule_right(schedule) -> None:
    assert checks.is_schedule(schedule).passed and checks.inverts_log_snr(schedule).passed
    assert checks.is_schedule((schedule.alpha, schedule.sigma)).passed
    assert checks.grid(wb.grids.karras, schedule, 7).passed and checks.grid(wb.grids.uniform, schedule, 3, stop=0.0).passed


def test_schedule_wrong() -> None:
    class Backwards(VP):
        def d_sigma(self, t):
            return -super().d_sigma(t)

    class Doubled(VP):
        def d_alpha(self, t):
            return 2 * super().d_alpha(t)

    for wrong, hint in (
        ((lambda t: t, lambda t: 1 - t), "time runs the other way"),
        ((lambda t: math.cos(3 * t), lambda t: math.sin(3 * t)), "not positive"),
        ((lambda t: 1.0, lambda t: t * (1.2 - t)), "noise must only grow"),
        (Backwards(), "the sign is flipped"),
        (Doubled(), "d_alpha.* changes at the rate"),
    ):
        with pytest.raises(checks.CheckFailed, match=hint):
            checks.is_schedule(wrong)


def test_inverse_wrong() -> None:
    def forward(t):
        return math.log((1 - t) / t)

    assert checks.inverts_log_snr((forward, lambda lam: 1 / (1 + math.exp(lam)))).passed
    for wrong, hint in (
        (lambda lam: 1 / (1 + math.exp(-lam)), "the sign of lambda is flipped"),
        (lambda lam: 1 / (1 + math.exp(2 * lam)), "a factor 1/2 is mixed in"),
        (lambda lam: 1 / (1 + math.exp(lam / 2)), "a factor 2"),
        (lambda lam: 0.5, "leads back to 0.5$"),
    ):
        with pytest.raises(checks.CheckFailed, match=hint):
            checks.inverts_log_snr((forward, wrong))


def test_grid_wrong() -> None:
    for wrong, hint in (
        (
            lambda s, n: torch.linspace(1, 1e-3, n, dtype=torch.float64),
            r"shape \(7,\), expected \(8,\): n steps need n \+ 1 points",
        ),
        (lambda s, n: torch.linspace(1, 1e-3, n + 1), "expected torch.float64"),
        (lambda s, n: wb.grids.uniform(s, n).flip(0), "the ends are swapped"),
        (lambda s, n: torch.linspace(1, 0, n + 1, dtype=torch.float64), "expected 1.0 to 0.001"),
        (lambda s, n: torch.tensor([1, 0.9, 0.9, 0.8, 0.7, 0.3, 0.2, 1e-3], dtype=torch.float64), "strictly .first at point 1"),
    ):
        with pytest.raises(checks.CheckFailed, match=hint):
            checks.grid(wrong, VP(), 7)
    assert checks.grid(wb.grids.log_snr, DiscreteVP.linear(10), 4).passed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_denoiser_right_where_the_two_terms_of_a_face_cancel(dtype) -> None:
    """The velocity of N(0, 1) on VP is 0, that of a point at 0 too: what is left of it is rounding."""
    draws = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0), dtype=dtype)
    law = wb.gaussian.GaussianDenoiser(torch.zeros(1), torch.ones(1), VP())
    assert checks.is_denoiser(law, draws).passed
    point = Mixture(VP(), ((1.0,), (0.7,), (0.0,)))
    assert checks.is_denoiser(point, torch.full((2000, 1), 0.7, dtype=dtype)).passed


def failed(result: checks.CheckResult, *parts: str) -> None:
    """The check came to an end, failed, and its message has all these parts."""
    assert not result.passed
    assert all(part in result.message for part in parts), result.message


def test_same_where_nothing_can_be_compared() -> None:
    failed(checks.same(1.0, math.nan, raises=False), "the expected answer is not finite itself")
    failed(checks.same(1.0, math.inf, raises=False), "the expected answer is not finite itself")
    failed(checks.same(None, 1.0, raises=False), "the answer is None", "without a return")
    failed(checks.same(VP(), 1.0, raises=False), "the answer is of type VP")
    failed(checks.same([[1.0], [1.0, 2.0]], 1.0, raises=False), "expected numbers")
    assert checks.same(X.numpy()[::-1], X.flip(0)).passed and checks.same(0.1, 0.1, rtol=1e-15, atol=0).passed
    failed(checks.same(1j, 1.0, raises=False), "expected numbers")
    assert checks.same(math.inf, math.inf).passed


def test_same_of_zero_has_no_far_fetched_cause() -> None:
    for value, expected in ((0.0, 1.0), ([0.0, 0.0], [1.0, 1.0]), ([0.0, 0.0], [2.0, 3.0])):
        result = checks.same(value, expected, raises=False)
        failed(result, "the answer is zero; largest difference")
        assert "logarithm" not in result.message and "factor" not in result.message


def test_deterministic_of_what_a_run_returns() -> None:
    def run(seed=0):
        generator = torch.Generator().manual_seed(seed)
        return wb.solve(Mixture(VP()), X.clone(), wb.grids.uniform(VP(), 3), wb.solvers.DDPM(), generator=generator)

    assert checks.is_deterministic(run).passed
    assert checks.is_deterministic(lambda: {"x": (X.numpy(), None, "text", math.nan), "y": X * math.nan}).passed
    seeds = iter(range(9))
    failed(checks.is_deterministic(lambda: run(next(seeds)), raises=False), "two calls differ")
    failed(checks.is_deterministic(lambda: [X] * next(seeds), raises=False), "two calls differ")
    failed(checks.is_deterministic(lambda: X / 0 + nowhere, raises=False), "raised NameError", "misspelled")


def normal_log(x):
    return -0.5 * x.square().sum(1)


def test_score_that_is_no_float64_tensor() -> None:
    assert checks.is_score_of(lambda x: -x.float(), normal_log, X).passed
    assert checks.is_score_of(lambda x: -x.numpy(), normal_log, X).passed
    assert checks.is_score_of(lambda x: x.neg_(), normal_log, X).passed and float(X[0]) == -2
    failed(checks.is_score_of(lambda x: x.float(), normal_log, X, raises=False), "sign flipped")
    failed(checks.is_score_of(lambda x: None, normal_log, X, raises=False), "the score is None")
    failed(checks.is_score_of(lambda x: x @ torch.ones(1, 1), normal_log, X, raises=False), "score(x) raised RuntimeError", "dtype")
    failed(checks.is_score_of(lambda x, t: x, normal_log, X, raises=False), "raised TypeError", "other parameters")


@pytest.mark.parametrize(
    ("log_prob", "parts"),
    [
        (lambda x: normal_log(x.detach()), ("no gradient", "detach()")),
        (lambda x: torch.ones(9, requires_grad=True), ("no gradient",)),
        (lambda x: 1.0, ("no gradient",)),
        (lambda x: None, ("log_prob(x) is None",)),
        (lambda x: x.numpy(), ("log_prob(x) raised RuntimeError",)),
        (lambda x: x.clamp(min=0).sqrt().sum(1), ("the gradient of log_prob is not finite",)),
    ],
)
def test_log_prob_without_a_gradient(log_prob, parts) -> None:
    failed(checks.is_score_of(lambda x: -x, log_prob, X, raises=False), *parts)


def test_models_and_flows_that_break() -> None:
    class Broken(Mixture):
        def score(self, x, t):
            raise NotImplementedError

    class Nothing(Mixture):
        def velocity(self, x, t):
            return None

    failed(checks.is_denoiser(Broken(VP()), data(50), raises=False), "score(x, 0.2) raised NotImplementedError", "to be written")
    law = Mixture(VP(), ((1.0,), (0.5,), (0.6,)))
    failed(checks.flows_to(lambda x, t, s: None, law, X, raises=False), "flow(x, 0.8, 0.8) is None")
    failed(checks.flows_to(lambda x, t, s: x / None, law, X, raises=False), "flow(x, t, s) raised TypeError", "NoneType")
    failed(checks.flows_to(lambda x, t, s: x[1:], law, X, raises=False), "has shape (8, 1), expected (9, 1)")


def test_levels_and_grids_that_break() -> None:
    def forward(t):
        return math.log((1 - t) / t)

    def strict(lam):
        if lam < 0:
            raise ValueError("math domain error")
        return 0.25

    failed(checks.inverts_log_snr((forward, lambda lam: math.sqrt(-1)), raises=False), "raised ValueError", "outside its domain")
    failed(checks.inverts_log_snr((forward, lambda lam: None), raises=False), "is None")
    # here the inverse itself answers, and only what is tried to find the cause lies outside its domain
    failed(checks.inverts_log_snr((forward, strict), times=(0.1,), raises=False), "leads back to 0.25")
    failed(checks.is_schedule((lambda t: 1 / t, lambda t: t), raises=False), "alpha(0) raised ZeroDivisionError", "both ends")
    failed(checks.is_schedule((lambda t: X, lambda t: t), raises=False), "alpha(0) has shape (9, 1), expected one number")
    nan = torch.tensor([1, 0.9, math.nan, 1e-3], dtype=torch.float64)
    failed(checks.grid(lambda s, n: nan, VP(), 3, raises=False), "point 2 is nan")
    failed(checks.grid(lambda s, n: None, VP(), 3, raises=False), "the grid is None")
    failed(checks.grid(lambda s: nan, VP(), 3, raises=False), "place(schedule, n) raised TypeError", "other parameters")
