"""Time-Shift: the criterion against brute force, the modes against DDIM written out, what it costs, and that it does not converge."""

import itertools
import math

import pytest
import torch
from helpers import SCHEDULES, Exact, Mixture, levels, name
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench import solvers
from workbench.schedules import VP
from workbench.solvers import DDIM, TimeShift, variance_of_samples
from workbench.solvers.time_shift import expected_variance

X = (
    torch.randn((5, 40), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    * torch.linspace(0.7, 1.2, 5)[:, None].double()
)
GRID = wb.grids.uniform(VP(), 8, 1.0, 0.02)


def read(x, t, rule) -> torch.Tensor:
    """tau by trying one time after the other, sample by sample, with numpy's variance; the nearest of equally good ones."""
    found = []
    half, n = rule.window / 2, rule.tries // 2
    for sample in x:
        v = float(sample.numpy().var(ddof=1))
        tried = sorted((t + half * i / n for i in range(-n, n + 1)), key=lambda tau: abs(tau - t))
        tried = [tau for tau in tried if tau <= 1]
        off = [abs(v - levels(VP(), tau)[0] ** 2 * rule.variance - levels(VP(), tau)[1] ** 2) for tau in tried]
        found.append(tried[off.index(min(off))])
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("variance", [0.0, 0.4, 2.0])
def test_the_time_that_a_state_seems_to_have(variance) -> None:
    rule = TimeShift(window=0.06, variance=variance, tries=11)
    for t in (0.9, 0.35):
        torch.testing.assert_close(rule.times(VP(), X, t), read(X, t, rule), rtol=0, atol=1e-12)


def test_a_criterion_without_news_shifts_nothing() -> None:
    """Data of variance 1 on a variance-preserving schedule: every time expects variance 1, and the nominal one is kept."""
    rule = TimeShift(window=0.1, variance=1.0)
    assert rule.times(VP(), X, 0.5).tolist() == [0.5] * 5
    assert expected_variance(VP(), 0.3, 1.0) == pytest.approx(1)
    published = TimeShift(window=0.1)
    unit = X / X.std(1, keepdim=True)
    assert published.times(VP(), unit, 0.5) == pytest.approx(0.55)  # the noisier end, whatever the window


def test_correct_states_keep_their_time_with_the_corrected_rule() -> None:
    schedule, d, v0 = VP(), 20_000, 0.25
    law = wb.gaussian.GaussianDenoiser(torch.zeros(d), v0, schedule)
    for t in (0.35, 0.25):
        x = law.sample(8, t, generator=torch.Generator().manual_seed(1))
        corrected, published = (TimeShift(window=0.1, variance=v, tries=201).times(schedule, x, t) for v in (v0, 0.0))
        assert (corrected - t).abs().max() < 0.02
        alpha = schedule.alpha(t) * (1 - v0) ** 0.5  # of the time at which noise alone has the variance of the state
        wrong = schedule.inverse_log_snr(math.log(alpha / math.sqrt(1 - alpha**2)))
        assert (published - min(wrong, t + 0.05)).abs().max() < 0.02 and (published - t).min() > 0.015


def test_the_variance_of_noised_samples_is_what_is_expected() -> None:
    g = torch.Generator().manual_seed(2)
    x0 = 0.3 + torch.rand((4000, 12), generator=g, dtype=torch.float64) * torch.linspace(0.1, 2, 12)
    v0 = variance_of_samples(x0)
    for schedule in SCHEDULES:
        t = 0.4
        alpha, sigma = levels(schedule, t)
        x = alpha * x0 + sigma * torch.randn(x0.shape, generator=g, dtype=torch.float64)
        assert variance_of_samples(x) == pytest.approx(expected_variance(schedule, t, v0), rel=0.03)


def test_condition_mode_written_out() -> None:
    """DDIM from the paper's formula, with the noise prediction asked at (batch,) times; nothing is shifted at the start or below the cutoff."""
    model, rule = Mixture(VP()), TimeShift(window=0.05, cutoff=0.3, variance=0.9)
    x, shifts = X, []
    for i, (t, s) in enumerate(itertools.pairwise(GRID.tolist())):
        tau = read(x, t, rule) if i and t > 0.3 else torch.full((5,), t, dtype=torch.float64)
        shifts.append((tau - t).abs().max().item())
        e = model.answer("noise", x, tau)
        (a, b), (c, d) = levels(VP(), t), levels(VP(), s)
        x = c * (x - b * e) / a + d * e
    assert shifts[0] == 0 and max(shifts[-2:]) == 0 and min(shifts[1:5]) > 0.001
    run = wb.solve(model, X, GRID, rule)
    torch.testing.assert_close(run.x, x, rtol=0, atol=1e-11)
    assert run.evaluations == 8


def test_target_mode_written_out() -> None:
    """DDIM's own step to the shifted target; the next step starts at the nominal time all the same."""
    model, rule = Mixture(VP()), TimeShift(window=0.05, cutoff=0.3, mode="target", variance=0.9)
    x = X
    for i, (t, s) in enumerate(itertools.pairwise(GRID.tolist())):
        targets = read(x, s, rule).tolist() if i and s > 0.3 else [s] * 5
        e, (a, b) = model.answer("noise", x, t), levels(VP(), t)
        pairs = torch.tensor([levels(VP(), tau) for tau in targets], dtype=torch.float64)
        x = pairs[:, :1] * (x - b * e) / a + pairs[:, 1:] * e
    torch.testing.assert_close(wb.solve(model, X, GRID, rule).x, x, rtol=0, atol=1e-11)


AROUND = [
    DDIM(),
    solvers.DDIM(eta=1.0),
    solvers.Heun(),
    solvers.UniPC(),
    solvers.IPNDM(order=2),
    solvers.PNDM(),
    solvers.DPMSolver(order=2),
]


@pytest.mark.parametrize("solver", AROUND, ids=name)
@pytest.mark.parametrize("mode", ["condition", "target"])
def test_every_solver_can_be_shifted_at_no_cost(solver, mode) -> None:
    if mode == "target" and solver.stochastic:
        return
    model = Mixture(VP(), predicts="data")
    for stop in (0.0, 0.02):
        grid = wb.grids.uniform(VP(), 6, 1.0, stop)
        rngs = [torch.Generator().manual_seed(k) for k in range(5)]
        run = wb.solve(model, X, grid, shifted := TimeShift(solver, mode=mode), generator=rngs)
        assert run.x.isfinite().all() and run.evaluations == solver.evaluations(6, to_zero=stop == 0)
        assert run.evaluations == shifted.evaluations(6, to_zero=stop == 0) == shifted.evaluations_on(VP(), grid)
        for i in (0, 3):
            alone = wb.solve(model, X[i : i + 1], grid, shifted, generator=[torch.Generator().manual_seed(i)]).x
            torch.testing.assert_close(alone, run.x[i : i + 1], rtol=0, atol=1e-12)
        rngs = [torch.Generator().manual_seed(k) for k in range(5)]
        plain = wb.solve(model, X, grid, solver, generator=rngs).x
        rngs = [torch.Generator().manual_seed(k) for k in range(5)]
        none = wb.solve(model, X, grid, TimeShift(solver, window=0, mode=mode), generator=rngs).x
        torch.testing.assert_close(none, plain, rtol=0, atol=1e-12)
        assert (run.x - plain).abs().max() > 1e-4


def test_with_an_exact_model_it_does_not_converge() -> None:
    law = wb.gaussian.GaussianDenoiser(torch.zeros(40, dtype=torch.float64), torch.linspace(0.01, 1.5, 40).double(), VP())
    exact = law.flow(X, 0.95, 0.02)
    for variance in (0.0, variance_of_samples(law.sample(500, generator=torch.Generator().manual_seed(0)))):
        shifted = TimeShift(solvers.UniPC(), window=0.05, variance=variance)
        errors = [(wb.solve(law, X, wb.grids.uniform(VP(), n, 0.95, 0.02), shifted).x - exact).norm() for n in (40, 80)]
        assert errors[1] > 0.7 * errors[0] > 0.05
    assert shifted.global_order == 0 and TimeShift(solvers.UniPC(), window=0).global_order == 4 and shifted.order == 3


def test_windows_stay_within_the_schedule() -> None:
    fine = wb.grids.uniform(VP(), 100, 1.0, 0.02)
    calls = []

    class Never(Exact):
        def data(self, x, t):
            calls.append(t)
            return super().data(x, t)

    with pytest.raises(ValueError, match=r"leaves VP, which ends at 1.0; take a window of at most 0\.0196"):
        wb.solve(Never(VP()), X, fine, TimeShift())
    assert not calls
    assert wb.solve(Exact(VP()), X, fine, TimeShift(window=0.0196)).x.isfinite().all()


def test_messages() -> None:
    for settings, message in (
        ({"solver": "DDIM"}, "works around a solver"),
        ({"mode": "time"}, "'condition'"),
        ({"window": 0.8}, "cutoff >= window / 2"),
        ({"window": float("nan")}, "cutoff >= window / 2"),
        ({"variance": -1.0}, "at least 0"),
        ({"tries": 30}, "odd number"),
        ({"solver": DDIM(eta=1.0), "mode": "target"}, "draws noise"),
    ):
        with pytest.raises((ValueError, TypeError), match=f"{message}|violates type hint"):
            TimeShift(**settings)
    with pytest.raises(ValueError, match="no variance over entries"):
        wb.solve(Exact(VP()), X[:, :1], GRID, TimeShift())
    with pytest.raises(ValueError, match="at least two entries"):
        variance_of_samples(X[:, :1])


@given(st.floats(0, 0.6), st.floats(0, 1), st.floats(0, 5), st.integers(1, 30))
def test_taus_are_within_the_window_and_the_schedule(window, cutoff, variance, half) -> None:
    if cutoff < window / 2:
        with pytest.raises(ValueError, match="cutoff"):
            TimeShift(window=window, cutoff=cutoff)
        return
    rule = TimeShift(window=window, cutoff=cutoff, variance=variance, tries=2 * half + 1)
    tau = rule.times(VP(), X, 0.7)
    assert ((tau - 0.7).abs() <= window / 2 + 1e-12).all() and (tau <= 1).all()
