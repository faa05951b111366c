"""Interpolated steps by quadrature, and the merged rows against predict-evaluate-correct written out."""

import itertools
import math

import pytest
import torch
from helpers import SCHEDULES, SHIFTED, Exact, Mixture, lam, levels, name
from scipy.integrate import quad

import workbench as wb
from workbench import solvers
from workbench.schedules import VP
from workbench.solvers.interpolated import interpolated

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


@every
@pytest.mark.parametrize("tau", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("offsets", [(0,), (1,), (0, -1), (1, 0), (1, 0, -1), (0, -1, -2, -3), (1, 0, -1, -2, -3)], ids=str)
def test_the_polynomial_is_integrated_exactly(schedule, face, tau, offsets) -> None:
    """Each weight by quadrature of the exponential weight times one Lagrange polynomial; offset 1 is s, 0 is t, -1 before."""
    times = wb.grids.log_snr(schedule, 9)[2:8].tolist()
    t, s = times[3], times[4]
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    begin, end, rate = lam(schedule, t), lam(schedule, s), 1 + tau * tau
    row = interpolated(schedule, t, s, [times[3 + k] for k in offsets], face, tau)
    clocks = [lam(schedule, times[3 + k]) for k in offsets]
    for j, own in enumerate(clocks):

        def integrand(u, j=j, own=own):
            bump = math.prod((u - other) / (own - other) for k, other in enumerate(clocks) if k != j)
            return bump * (rate * d * math.exp(rate * u - tau * tau * end) if face == "data" else -rate * c * math.exp(-u))

        assert row.past[j] == pytest.approx(quad(integrand, begin, end, epsrel=1e-12)[0], rel=1e-8)
    h = end - begin
    if face == "data":
        wanted = d / b * math.exp(-tau * tau * h), d * math.sqrt(1 - math.exp(-2 * tau * tau * h))
    else:
        wanted = c / a, tau * d * math.sqrt(math.exp(2 * h) - 1)
    assert (row.t, row.x, row.noise) == pytest.approx((t, *wanted), rel=1e-9)


def predict_evaluate_correct(solver, model, x, grid, draws):
    """The method as papers print it: the corrected state, the state before it and the noise are all kept; only then is a row merged."""
    schedule, times, answers, steps = model.schedule, grid.tolist(), [], len(grid) - 1
    ask = getattr(model, solver.face)
    before = noise = None
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        new, state = ask(x, t), x
        old = times[i - 1 :: -1] if i else []
        if i and (points := solver.corrector_points_at(i - 1, steps)):
            nodes, tau = (t, *old)[:points], solver.tau_at(old[0])
            row = interpolated(schedule, old[0], t, nodes, solver.face, tau, solver.variant)
            state = row.x * before + sum(w * m for w, m in zip(row.past, [new, *answers], strict=False)) + row.noise * noise
        answers = [new, *answers]
        nodes = (t, *old)[: solver.points_at(i, steps)]
        row = interpolated(schedule, t, s, nodes, solver.face, solver.tau_at(t), solver.variant)
        before, noise = state, next(draws) if row.noise else 0.0
        x = row.x * before + sum(w * m for w, m in zip(row.past, answers, strict=False)) + row.noise * noise
    return x


@pytest.mark.parametrize(
    "solver",
    [
        *[solvers.UniPC(order=p, variant=v) for p in (1, 2, 3, 4) for v in ("B1", "B2", "varying")],
        solvers.UniPC(face="noise"),
        solvers.UniPC(corrector=False),
        solvers.UniPC(corrector_from=3),
        solvers.UniPC(final_order=1),
        *[solvers.SASolver(predictor=p, corrector=q) for p, q in itertools.product((1, 3), (0, 1, 2, 4))],
        solvers.SASolver(predictor=2, corrector=4, tau=(0.1, 0.5, 1.3), face="noise"),
        solvers.SASolver(predictor=4, corrector=2, tau=0.5, published=True, final_order=2),
    ],
    ids=str,
)
def test_the_merged_rows_are_predict_evaluate_correct(solver) -> None:
    for schedule, n in ((VP(), 9), (wb.schedules.Rectified(), 5), (wb.schedules.VE(), 7)):
        model, grid = Mixture(schedule, SHIFTED), wb.grids.karras(schedule, n)
        x = schedule.sigma(grid[0].item()) * X
        stream = torch.Generator().manual_seed(3)
        draws = (torch.randn(X.shape, generator=stream).double() for _ in itertools.count())
        wanted = predict_evaluate_correct(solver, model, x, grid, draws)
        got = wb.solve(model, x, grid, solver, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(got.x, wanted, rtol=1e-11, atol=1e-11)
        assert got.evaluations == n


@pytest.mark.parametrize("solver", [solvers.UniPC(), solvers.SASolver()], ids=name)
def test_states_on_the_way_are_predictions(solver) -> None:
    """A run cut short gives the states of the long one: nothing but the prediction has been made when a step ends."""
    model, grid = Exact(VP(), SHIFTED), wb.grids.log_snr(VP(), 6)
    whole = wb.solve(model, X, grid, solver, generator=torch.Generator().manual_seed(3), trajectory=True)
    for i in (1, 2, 4):
        part = wb.solve(model, X, grid[: i + 1], solver, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(part.x, whole.xs[i], rtol=0, atol=0)


def test_a_correction_is_a_multiple_of_what_was_not_foreseen() -> None:
    """UniC-p minus UniP-p: weights in the proportion 1, -L_j(lambda_s), so a polynomial answer is not corrected at all."""
    schedule, times = VP(), wb.grids.karras(VP(), 6)[1:5].tolist()
    t, s, past = times[2], times[3], times[2::-1]
    predict, correct = (interpolated(schedule, t, s, nodes, "data").past for nodes in (past, (s, *past)))
    change = [c - w for c, w in zip(correct, (0.0, *predict), strict=True)]
    clocks = [lam(schedule, u) for u in past]
    for j, own in enumerate(clocks):
        foreseen = math.prod((lam(schedule, s) - other) / (own - other) for k, other in enumerate(clocks) if k != j)
        assert change[j + 1] == pytest.approx(-foreseen * change[0], rel=1e-9)
    assert change[0] > 0
