"""Adaptive steps: the error follows the tolerance, every sample pays for itself alone, and nothing loops for ever."""

import math

import pytest
import torch
from helpers import POINT, SCHEDULES, SHIFTED, SINGULAR_START, VP, Exact, Mixture, gaussian_flow, levels, name

import workbench as wb
from workbench.solvers import DDIM, RK4, DPMSolver, DPMSolver12, DPMSolver23

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
PAIRS = [DPMSolver12(), DPMSolver12("data"), DPMSolver23(), DPMSolver23("data")]
pairs = pytest.mark.parametrize("pair", PAIRS, ids=repr)
X = torch.tensor([[-1.7, 0.3], [-0.6, -2.0], [0.1, 0.2], [0.8, 1.1], [1.9, -0.4]], dtype=torch.float64)


class Watched(Exact):
    """Remembers when it was asked, and about how many samples."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.asked = []

    def answer(self, target, x, t):
        assert bool(x.isfinite().all()), "a network must not be shown NaN, not even for samples that have arrived"
        self.asked.append((x.shape, torch.as_tensor(t).clone()))
        return super().answer(target, x, t)


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return wb.solve(Exact(VP(), SHIFTED), X, wb.grids.log_snr(VP(), 400, 1.0, 1e-2), RK4()).x


@pairs
def test_the_error_follows_the_tolerance(pair, truth) -> None:
    model, errors, costs = Exact(VP(), SHIFTED), [], []
    for tol in (1e-2, 1e-3, 1e-4):
        run = wb.solve_adaptive(model, X, 1.0, 1e-2, pair, tol, tol)
        errors.append((run.x - truth).abs().max().item())
        costs.append(run.evaluations.double().mean().item())
    assert errors[0] < 0.05 and errors[1] < errors[0] / 3 and errors[2] < errors[1] / 3, errors
    growth = math.log10(costs[2] / costs[1])  # a local error of h^order: in the end the steps grow like tol^(-1 / order)
    assert 0.5 / pair.order < growth < 1.2 / pair.order, costs


@pairs
def test_it_takes_the_steps_that_it_says(pair) -> None:
    """Following one sample: each accepted step is DPM-Solver of that order, its E is at most 1, and E sets the next step."""
    model, x = Exact(VP(), SHIFTED), X[:1]
    rtol, atol, safety = 0.02, 0.01, 0.8
    run = wb.solve_adaptive(model, x, 0.99, 0.02, pair, rtol, atol, h0=0.3, safety=safety, trajectory=True)
    assert run.xs.shape == (len(run.times), 1, 2) and run.times.shape == (len(run.times), 1)
    high = DPMSolver(pair.order, pair.face)
    low = DPMSolver(pair.order - 1, pair.face, r1=1 / 3 if pair.order == 3 else None)
    h, at, steps = 0.3, 0, 0
    clocks = run.times[:, 0].tolist()
    last = VP().log_snr(0.02)
    while clocks[at] != 0.02:
        here = VP().log_snr(clocks[at])
        h = min(h, last - here)
        s = 0.02 if h >= (last - here) * (1 - 1e-9) else VP().inverse_log_snr(here + h)
        better, worse = (wb.solve(model, x, [clocks[at], s], solver).x for solver in (high, low))
        error = (
            (((better - worse) / torch.maximum(torch.tensor(atol), rtol * torch.maximum(worse.abs(), x.abs()))) ** 2).mean().sqrt()
        )
        at, steps = at + 1, steps + 1
        if error <= 1:
            x = better
            assert clocks[at] == pytest.approx(s, abs=1e-8)
        torch.testing.assert_close(run.xs[at], x, rtol=0, atol=1e-7)
        h *= min(max(safety * error.item() ** (-1 / pair.order), 0.1), 10.0)
    assert steps == run.accepted.item() + run.rejected.item() == len(clocks) - 1
    assert run.evaluations.item() == pair.order * run.accepted.item() + (pair.order - 1) * run.rejected.item()
    assert run.rejected.item() > 0 and run.calls == run.evaluations.item() and run.evaluations.dtype == torch.int64


@every
@pairs
def test_a_sample_does_not_know_its_batch(pair, schedule) -> None:
    start, stop = (0.95, 0.0) if schedule.t_max == 1 else (40.0, 0.0)
    model, x = Exact(schedule, SHIFTED), schedule.sigma(start) * X
    together = wb.solve_adaptive(model, x, start, stop, pair)
    assert together.evaluations.shape == (5,) and together.calls >= together.evaluations.max()
    assert len(set(together.evaluations.tolist())) > 1 or schedule.t_max > 1
    for i in (0, 3):
        alone = wb.solve_adaptive(model, x[i : i + 1], start, stop, pair)
        torch.testing.assert_close(alone.x[0], together.x[i], rtol=1e-11, atol=1e-12)
        assert alone.evaluations[0] == together.evaluations[i] == alone.calls
        assert (alone.accepted[0], alone.rejected[0]) == (together.accepted[i], together.rejected[i])
    shuffled = wb.solve_adaptive(model, x.flip(0), start, stop, pair)
    torch.testing.assert_close(shuffled.x.flip(0), together.x, rtol=1e-11, atol=1e-12)


def test_the_whole_batch_is_always_asked_in_order() -> None:
    model = Watched(VP(), SHIFTED)
    run = wb.solve_adaptive(model, X, 1.0, 1e-2)
    assert run.calls == len(model.asked) and all(shape == X.shape for shape, _ in model.asked)
    assert all(t.shape == (5,) and bool(((t >= 1e-2) & (t <= 1.0)).all()) for _, t in model.asked)
    done = torch.zeros(5, dtype=torch.bool)
    for _, t in model.asked:  # who has arrived stays there; who arrives last is not asked again
        assert not bool((done & (t > 1e-2)).any())
        done = done | (t == 1e-2)
    assert 0 < done.sum() < 5


def test_a_rejected_look_is_remembered() -> None:
    model = Watched(VP(), SHIFTED)
    run = wb.solve_adaptive(model, X[:1], 1.0, 1e-2, DPMSolver12(), 1e-2, 1e-2, h0=5.0)
    assert run.rejected.item() > 1 and len(model.asked) == 2 * run.accepted.item() + run.rejected.item()


@every
@pairs
def test_a_point_mass_takes_the_longest_steps(pair, schedule) -> None:
    """E is 0 up to rounding: steps grow tenfold until they end, and the result is exact."""
    start, stop = (0.7, 0.3) if schedule.t_max == 1 else (5.0, 0.5)
    (a, b), (c, d) = levels(schedule, start), levels(schedule, stop)
    eps = X[:, :1]
    run = wb.solve_adaptive(Mixture(schedule, POINT), a * 0.7 + b * eps, start, stop, pair)
    torch.testing.assert_close(run.x, c * 0.7 + d * eps, rtol=0, atol=1e-12)
    assert run.rejected.tolist() == [0] * 5 and run.accepted.tolist() == [3] * 5  # 0.05 + 0.5 + the rest
    zero = wb.solve_adaptive(Zero(schedule, POINT), torch.zeros(2, 3), start, stop, pair)  # E is exactly 0
    assert zero.x.tolist() == [[0.0] * 3] * 2


class Zero(Exact):
    """Answers 0 always."""

    def answer(self, target, x, t):
        return torch.zeros_like(x)


@every
@pairs
def test_gaussians_down_and_up(pair, schedule) -> None:
    law, mean, std = ((1.0,), (0.5,), (0.6,)), 0.5, 0.6
    low, high = (0.01, 0.9) if schedule.t_max == 1 else (0.05, 5.0)
    for start, stop in ((high, low), (low, high)):
        alpha, sigma = levels(schedule, start)
        x = alpha * mean + math.hypot(alpha * std, sigma) * X
        run = wb.solve_adaptive(Exact(schedule, law), x, start, stop, pair, 1e-3, 1e-3)
        wanted = gaussian_flow(schedule, mean, std, x, start, stop)
        assert ((run.x - wanted).abs() / (1 + wanted.abs())).max() < 1e-2
        assert run.rejected.sum() < run.accepted.sum()


@every
@pairs
def test_stop_at_zero_finishes_with_the_data_prediction(pair, schedule) -> None:
    model = Exact(schedule, SHIFTED)
    start = 0.9 if schedule.t_max == 1 else 20.0
    x = schedule.sigma(start) * X
    near, whole = (wb.solve_adaptive(model, x, start, stop, pair) for stop in (schedule.t_last, 0.0))
    torch.testing.assert_close(whole.x, model.data(near.x, schedule.t_last), rtol=0, atol=0)
    assert whole.evaluations.tolist() == (near.evaluations + 1).tolist()
    at_once = wb.solve_adaptive(model, X, schedule.t_last / 2, 0.0, pair)
    torch.testing.assert_close(at_once.x, model.data(X, schedule.t_last / 2), rtol=0, atol=0)
    assert at_once.evaluations.tolist() == [1] * 5


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
@pairs
def test_from_pure_noise(pair, schedule) -> None:
    """The first step of ``solve``, to t_first; then as from there."""
    model = Exact(schedule, SHIFTED)
    first = wb.solve(model, X, [1.0, schedule.t_first], DDIM()).x
    run = wb.solve_adaptive(model, X, 1.0, 0.0, pair, trajectory=True)
    rest = wb.solve_adaptive(model, first, schedule.t_first, 0.0, pair)
    torch.testing.assert_close(run.x, rest.x, rtol=1e-12, atol=1e-12)
    assert run.evaluations.tolist() == (rest.evaluations + 1).tolist()
    assert (
        run.times[0].tolist() == [1.0] * 5
        and run.times[-1].tolist() == [0.0] * 5
        and run.times[1].tolist() == [schedule.t_first] * 5
    )
    short = wb.solve_adaptive(model, X, 1.0, 0.9995, pair)
    assert short.evaluations.tolist() == [1] * 5
    with pytest.raises(ValueError, match=r"start at schedule\.t_first"):
        wb.solve_adaptive(Mixture(schedule, SHIFTED, "noise"), X, 1.0, 0.0, pair)


def test_float32_images_and_callback() -> None:
    x = torch.linspace(-2, 2, 48).reshape(3, 1, 4, 4)
    model, seen = Exact(VP(), SHIFTED), []
    run = wb.solve_adaptive(model, x, 1.0, 0.0, callback=lambda i, t, state: seen.append((i, t.clone(), state.dtype)))
    double = wb.solve_adaptive(model, x.double(), 1.0, 0.0)
    assert run.x.dtype == torch.float32 and run.x.shape == x.shape
    torch.testing.assert_close(run.x.double(), double.x, rtol=0, atol=1e-3)
    assert [i for i, _, _ in seen] == list(range(len(seen))) and seen[-1][1].tolist() == [0.0] * 3 and seen[0][2] == torch.float32
    half = wb.solve_adaptive(model, x.to(torch.bfloat16), 1.0, 0.0)
    assert half.x.dtype == torch.bfloat16 and half.xs is None and half.times is None
    assert "lu2022dpmsolver" in wb.cite(run)


class Broken(Exact):
    """Not a number below some time, for one sample."""

    def answer(self, target, x, t):
        out = super().answer(target, x, t)
        out[1] = torch.where(torch.as_tensor(t)[1] < 0.5, math.nan, 1.0) * out[1]
        return out


class Noisy(Exact):
    """Never the same answer twice."""

    def answer(self, target, x, t):
        self.count = getattr(self, "count", 0) + 1
        return super().answer(target, x, t) + 10.0 * (-1) ** self.count


@pairs
def test_failures_end(pair) -> None:
    with pytest.raises(ValueError, match=r"sample 1 is not finite in the step from t = 0\.[5-9]\d* to 0\.[0-5]"):
        wb.solve_adaptive(Broken(VP(), SHIFTED), X, 1.0, 0.01, pair)
    with pytest.raises(ValueError, match="max_evaluations = 300"):
        wb.solve_adaptive(Noisy(VP(), SHIFTED), X, 1.0, 0.01, pair, max_evaluations=300)
    with pytest.raises(ValueError, match=r"max_evaluations = 20 .* loosen rtol and atol"):
        wb.solve_adaptive(Exact(VP(), SHIFTED), X, 1.0, 0.01, pair, max_evaluations=20)
    enough = int(wb.solve_adaptive(Exact(VP(), SHIFTED), X, 1.0, 0.01, pair).evaluations.max())
    wb.solve_adaptive(Exact(VP(), SHIFTED), X, 1.0, 0.01, pair, max_evaluations=enough)
    with pytest.raises(ValueError, match="max_evaluations"):
        wb.solve_adaptive(Exact(VP(), SHIFTED), X, 1.0, 0.01, pair, max_evaluations=enough - 1)


def test_messages_before_any_work() -> None:
    model = Watched(VP(), SHIFTED)
    for arguments, settings, message in (
        ((X, 1.0, 0.01, DPMSolver(3)), {}, "[pP]air"),
        ((X, 1.0, 0.01, DPMSolver23), {}, "an instance|Pair"),
        ((X, 0.5, 0.5), {}, "strictly"),
        ((X, 1.5, 0.5), {}, "defined on"),
        ((X, 0.0, 0.5), {}, "t_last"),
        ((X, math.nan, 0.5), {}, "strictly"),
        ((X[0], 1.0, 0.01), {}, "batch"),
        ((X.long(), 1.0, 0.01), {}, "float|Float"),
        ((X, 1.0, 0.01, None, -0.1), {}, "rtol"),
        ((X, 1.0, 0.01, None, 0.1, 0.0), {}, "atol"),
        ((X, 1.0, 0.01, None, math.inf), {}, "rtol"),
        ((X, 1.0, 0.01), {"h0": 0.0}, "h0"),
        ((X, 1.0, 0.01), {"safety": 1.0}, "safety"),
        ((X, 1.0, 0.01), {"max_evaluations": 0}, "max_evaluations"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            wb.solve_adaptive(model, *arguments, **settings)
    assert model.asked == []
    with pytest.raises((ValueError, TypeError), match="face"):
        DPMSolver12(face="score")
    with pytest.raises(TypeError, match="plan|Solver"):
        wb.solve(model, X, [1.0, 0.5], DPMSolver23())
