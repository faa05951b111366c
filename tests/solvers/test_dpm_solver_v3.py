"""DPM-Solver-v3: exact on Gaussians in one step, other methods in its corners, its order whatever the statistics, its edges."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import SCHEDULES, SINGULAR_START, Exact, Mixture, name
from mixture_flow import start_of, truth
from scipy.integrate import solve_ivp

import workbench as wb
from workbench import solvers
from workbench.gaussian import Dense, Diagonal, GaussianDenoiser, LowRank
from workbench.schedules import VE, VP, Rectified
from workbench.solvers import DPMSolverV3, ModelStatistics
from workbench.solvers.model_statistics import v3_weights

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
F64 = torch.float64
SETTINGS = [
    {"order": 1, "corrector": "none"},
    {"order": 2, "corrector": "none"},
    {"order": 3, "corrector": "none"},
    {"order": 1},
    {"order": 2, "corrector": "same"},
    {"order": 2},
    {"order": 3, "corrector": "same"},
    {"order": 3},
    {"order": 3, "pseudo_predictor": True},
    {"order": 3, "corrector": "none", "pseudo_predictor": True},
    {"order": 2, "pseudo_corrector": True},
    {"order": 3, "corrected": "noisy"},
    {"order": 3, "corrected": "clean"},
    {"order": 3, "final_order": 1},
]
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wild(n: int = 9) -> ModelStatistics:
    """A table that is the best of no model, with l above 1 and s of both signs."""
    lam = torch.linspace(-5, 5, n, dtype=F64)[:, None]
    return ModelStatistics(lam[:, 0], 0.6 + 0.5 * torch.cos(lam), 0.4 * torch.sin(lam) - 0.2, 0.3 * torch.cos(2 * lam))


def gaussians(schedule) -> list[GaussianDenoiser]:
    """Diagonal, dense and low rank with a floor, as samples of different shapes."""
    mean = torch.randn(2, 3, generator=rng(1), dtype=F64)
    vectors = torch.linalg.qr(torch.randn(6, 6, generator=rng(2), dtype=F64)).Q
    values = torch.tensor([4.0, 1.5, 0.5, 0.2, 0.05, 0.01], dtype=F64)
    covariances = (Diagonal(values), Dense(vectors @ values.diag() @ vectors.T), LowRank(vectors[:, :2], values[:2], 0.1))
    return [GaussianDenoiser(mean, covariance, schedule) for covariance in covariances]


@every
@every_setting
def test_one_step_is_exact_on_every_gaussian(schedule, setting) -> None:
    """And so are three, and the way back."""
    for law in gaussians(schedule):
        solver = DPMSolverV3(ModelStatistics.of_gaussian(law), **setting)
        for n in (1, 3):
            grid = wb.grids.karras(schedule, n, *((0.9, 0.1) if schedule.t_max == 1 else (20.0, 0.05)))
            x = law.sample(3, float(grid[0]), generator=rng(), dtype=F64)
            wanted = law.flow(x, grid[0], grid[-1])
            torch.testing.assert_close(wb.solve(law, x, grid, solver).x, wanted, rtol=0, atol=1e-12)
            torch.testing.assert_close(wb.solve(law, wanted, grid.flip(0), solver).x, x, rtol=0, atol=1e-9 * x.abs().max().item())


def test_a_table_of_a_gaussian_errs_as_the_fourth_power_of_its_spacing() -> None:
    law = gaussians(VP())[1]
    grid, errors = wb.grids.log_snr(VP(), 5), []
    x = VP().prior((4, 2, 3), 1.0, generator=rng(), dtype=F64)
    for n in (60, 120, 240):
        table = ModelStatistics.of_gaussian(law, torch.linspace(VP().log_snr(1.0), VP().log_snr(1e-3), n + 1, dtype=F64))
        errors.append((wb.solve(law, x, grid, DPMSolverV3(table, 1, "none")).x - law.flow(x, 1.0, 1e-3)).abs().max().item())
    assert errors[-1] < 1e-6 and math.log2(errors[1] / errors[2]) == pytest.approx(4, abs=0.3), errors


@every
@pytest.mark.parametrize("face", ["data", "noise"])
def test_constant_statistics_are_the_solvers_of_the_two_predictions(schedule, face) -> None:
    statistics = ModelStatistics.constant() if face == "data" else ModelStatistics.constant(l=0.0, s=-1.0)
    start, stop = (0.9, 0.02) if schedule.t_max == 1 else (20.0, 0.05)
    grid, model = wb.grids.karras(schedule, 7, start, stop), Mixture(schedule)
    x = torch.tensor([[0.4, -1.0, 2.0]], dtype=F64) * schedule.sigma(start)
    same = {
        DPMSolverV3(statistics, 1, "none"): solvers.DPMSolver(order=1) if face == "noise" else solvers.DDIM(),
        DPMSolverV3(statistics, 2, "none"): solvers.DPMSolverPP2M(correction="taylor", face=face),
        DPMSolverV3(statistics, 3, "none"): solvers.DPMSolverPP3M(face=face),
        DPMSolverV3(statistics, 3, "none", final_order=1): solvers.UniPC(3, "varying", False, face=face, final_order=1),
        DPMSolverV3(statistics, 1): solvers.UniPC(1, "varying", face=face),
        DPMSolverV3(statistics, 2): solvers.UniPC(2, "varying", face=face),
        DPMSolverV3(statistics, 3): solvers.UniPC(3, "varying", face=face),
        DPMSolverV3(statistics, 3, final_order=2): solvers.UniPC(3, "varying", face=face, final_order=2),
    }
    for ours, known in same.items():
        got, wanted = (wb.solve(model, x, grid, solver).x for solver in (ours, known))
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-10)
    assert (wb.solve(model, x, grid, DPMSolverV3(wild(), 2)).x - wb.solve(model, x, grid, solvers.UniPC(2)).x).abs().max() > 1e-3


@pytest.mark.parametrize(("corrected", "pseudo"), list(itertools.product((False, True), repeat=2)))
@pytest.mark.parametrize("points", [1, 2, 3])
def test_weights_against_an_integrator(points, corrected, pseudo) -> None:
    """v' = -(l v + e^S (g + B)) with g the polynomial through its remembered values, by DOP853, for a table with kinks."""
    if corrected and points < 2:
        return
    schedule, table, past, s = VE(), wild(7), [2.0, 3.1, 5.0], 0.8
    row = v3_weights(table, schedule, past, s, points, corrected=corrected, pseudo=pseudo)
    times = [s, *past][:points] if corrected else past[:points]
    lam = [-math.log(t) for t in times]
    start, answers, v = -math.log(past[0]), np.array([0.7, -0.4, 0.9])[:points], 1.3

    def rates(clock: float) -> tuple[float, float, float]:
        return tuple(float(part) for part in table.at(torch.tensor([clock], dtype=F64)))

    def along(to: float, slope, begin):
        marks, state = [start, *sorted(table.breaks(min(start, to), max(start, to)), reverse=to < start), to], begin
        for a, b in itertools.pairwise(marks):
            state = solve_ivp(slope, (a, b), state, method="DOP853", rtol=1e-9, atol=1e-11).y[:, -1] if a != b else state
        return state

    def known(clock, y):  # S and B
        _, s_now, b_now = rates(clock)
        return [s_now, math.exp(-y[0]) * b_now]

    g = []
    for clock, answer in zip(lam, answers, strict=True):
        drift, forcing = along(clock, known, [0.0, 0.0]) if clock != start else (0.0, 0.0)
        g.append(math.exp(-drift) * answer - forcing)
    nodes, values = [clock - start for clock in lam], list(g)
    if corrected:
        nodes[:2], values[:2] = nodes[1::-1], values[1::-1]
    if pseudo:
        divided, rows = [values[0]], values
        for k in range(1, points):
            rows = [(rows[i + 1] - rows[i]) / (nodes[i + k] - nodes[i]) for i in range(len(rows) - 1)]
            divided.append(rows[0])
        polynomial = np.polynomial.Polynomial(divided)
    else:
        polynomial = np.polynomial.Polynomial(np.linalg.solve(np.vander(nodes, increasing=True), values))

    def flow(clock, y):
        l_now, s_now, b_now = rates(clock)
        return [s_now, math.exp(-y[0]) * b_now, -l_now * y[2] - math.exp(y[0]) * (polynomial(clock - start) + y[1])]

    wanted = along(-math.log(s), flow, [0.0, 0.0, v])[2]
    got = row.x * v + sum(w * answer for w, answer in zip(row.past, answers, strict=True)) + row.constant
    assert float(got) == pytest.approx(wanted, rel=1e-6)


@every_setting
def test_rows_are_predict_evaluate_correct(setting) -> None:
    """The corrected state and every answer kept, as the paper prints it, against the merged rows."""
    schedule, solver = VP(), DPMSolverV3(wild(), **setting)
    model, grid = Exact(schedule), wb.grids.log_snr(schedule, 6, 0.9, 0.05)
    x = torch.tensor([[0.3, -1.2, 1.9]], dtype=F64)
    times, answers, base, steps, state = grid.tolist(), [], None, 6, x
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        l_now = solver.statistics.at(torch.tensor([schedule.log_snr(t)], dtype=F64)).l[0]
        answers.insert(0, (1 - l_now) * state / schedule.alpha(t) - model.data(state, t))
        old = times[i - 1 :: -1] if i else []
        if i and (points := solver.corrector_points_at(i - 1, steps)):
            row = v3_weights(solver.statistics, schedule, old, t, points, corrected=True, pseudo=solver.pseudo_corrector)
            state = row.x * base + sum(w * f for w, f in zip(row.past, answers, strict=False)) + row.constant
        base = state
        row = v3_weights(solver.statistics, schedule, times[i::-1], s, solver.points_at(i, steps), pseudo=solver.pseudo_predictor)
        state = row.x * base + sum(w * f for w, f in zip(row.past, answers, strict=False)) + row.constant
    torch.testing.assert_close(wb.solve(model, x, grid, solver).x, state, rtol=1e-11, atol=1e-11)


@every_setting
@pytest.mark.parametrize("which", ["constant", "law"])
def test_order_whatever_the_statistics(setting, which) -> None:
    """On the mixture, from an exact past: wrong statistics cost accuracy, not order."""
    law = GaussianDenoiser(torch.zeros(1), 1.0, VP())
    statistics = ModelStatistics.of_gaussian(law) if which == "law" else ModelStatistics.constant(0.4, -0.3, 0.2)
    solver, schedule, start, stop = DPMSolverV3(statistics, **setting), VP(), 0.8, 0.05
    if solver.final_order is not None:
        return
    x, errors = start_of(schedule, start), []
    wanted, model = truth(schedule, x, start, stop), Exact(schedule)
    for n in (40, 80):
        grid, state, memory = wb.grids.log_snr(schedule, n, start, stop), x, None
        for i, (row, s) in enumerate(zip(solver.plan(schedule, grid), grid.tolist()[1:], strict=True)):
            state, memory = solver.step(model, state, row, memory, None)
            state = truth(schedule, x, start, s) if i < solver.points - 1 else state
        errors.append((state - wanted).abs().max().item())
    slope = math.log2(errors[0] / errors[1])
    half = solver.corrected != "all"  # then the order lies between that of the predictor and one more
    assert solver.global_order - 0.25 < slope < solver.global_order + (1.3 if half else 0.6), errors


def test_statistics_of_the_law_beat_constant_ones() -> None:
    """What the method is for: on a Gaussian-like mixture, one step of order 1 with good statistics is far nearer than DDIM."""
    schedule, mixture = VP(), Mixture(VP(), ((0.5, 0.5), (-0.5, 0.5), (0.5, 0.5)))
    law = GaussianDenoiser(torch.zeros(1), 0.5, schedule)
    x = torch.tensor([[-1.0], [0.3], [1.4]], dtype=F64)
    wanted = solvers.reference(mixture, x, 1.0, 1e-2).x
    grid = wb.grids.log_snr(schedule, 5, 1.0, 1e-2)
    ours, ddim = (
        (wb.solve(mixture, x, grid, solver).x - wanted).abs().max()
        for solver in (DPMSolverV3(ModelStatistics.of_gaussian(law), 1, "none"), solvers.DDIM())
    )
    assert ours < 0.25 * ddim


@every
@every_setting
def test_finite_everywhere_and_counted(schedule, setting) -> None:
    solver = DPMSolverV3(wild(), **setting)
    net = wb.NetworkDenoiser(lambda x, t: torch.tanh(x).mul_(0.7), schedule, predicts="data")
    x = torch.tensor([[0.3, -1.7], [2.0, 0.1]], dtype=F64)
    for n, stop, start in itertools.product((1, 2, 3, 4, 7), (0.0, None), (None, 1.0) if schedule in SINGULAR_START else (None,)):
        grid = wb.grids.log_snr(schedule, n, start, stop)
        begin = schedule.sigma(grid[0].item()) * x
        run = wb.solve(net, begin, grid, solver)
        assert bool(run.x.isfinite().all()) and run.evaluations == n
        alone = wb.solve(net, begin[1:], grid, solver).x
        torch.testing.assert_close(alone, run.x[1:], rtol=1e-12, atol=1e-12)


@every
def test_a_noise_model_is_asked_for_its_noise(schedule) -> None:
    grid = wb.grids.karras(schedule, 5, *((0.9, 0.1) if schedule.t_max == 1 else (20.0, 0.05)))
    x = torch.tensor([[0.3, -1.7]], dtype=F64)
    runs = [wb.solve(Mixture(schedule, predicts=face), x, grid, DPMSolverV3(wild())).x for face in ("data", "noise")]
    torch.testing.assert_close(*runs, rtol=1e-10, atol=1e-10)


def test_halves_differ_from_the_whole_where_they_should() -> None:
    grid = wb.grids.log_snr(VP(), 8)
    whole, noisy, clean, none = (
        DPMSolverV3(wild(), **setting).plan(VP(), grid)
        for setting in ({}, {"corrected": "noisy"}, {"corrected": "clean"}, {"corrector": "none"})
    )

    def same(a, b, i):
        return torch.equal(a[i].past, b[i].past)

    assert [same(whole, noisy, i) for i in range(8)] == [True] * 5 + [False] * 3
    assert [same(none, clean, i) for i in range(8)] == [True] * 5 + [False] * 3


def test_snapped_grids_lie_on_nodes() -> None:
    table = wild(21)
    grid = table.snapped(VP(), wb.grids.log_snr(VP(), 9))
    lam = VP().log_snr(grid)
    assert (lam[:, None] - table.nodes).abs().min(1).values.max() < 1e-9 and bool((grid.diff() < 0).all())
    assert len(wild(5).snapped(VP(), wb.grids.log_snr(VP(), 30))) <= 5


def test_single_precision_and_shapes() -> None:
    """Rows follow the state's dtype; a sample may have any shape that the statistics broadcast to."""
    law = gaussians(Rectified())[2]
    grid, x = wb.grids.log_snr(Rectified(), 4), Rectified().prior((5, 2, 3), 0.999, generator=rng())
    run = wb.solve(law, x, grid, DPMSolverV3(ModelStatistics.of_gaussian(law)))
    assert run.x.dtype == torch.float32
    torch.testing.assert_close(run.x, law.flow(x, grid[0], grid[-1]), rtol=0, atol=2e-5)
    assert wb.solve(law, x, grid, DPMSolverV3(ModelStatistics.constant())).x.shape == x.shape
    assert "zheng2023dpmsolverv3" in wb.cite(run)


def test_bad_settings_are_refused() -> None:
    table = wild()
    with pytest.raises(TypeError):
        DPMSolverV3(None)  # type: ignore[arg-type]
    for setting in ({"order": 4}, {"order": 0}, {"corrector": "best"}, {"corrected": "middle"}, {"final_order": 0}):
        with pytest.raises((ValueError, TypeError)):
            DPMSolverV3(table, **setting)
    with pytest.raises(AttributeError):
        DPMSolverV3(table).order = 2  # type: ignore[misc]
