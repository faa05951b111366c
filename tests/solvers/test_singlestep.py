"""The weights of one exponential Runge-Kutta step, built a second time from quadrature, and the orders of the whole family."""

import math
from functools import cache

import pytest
import torch
from helpers import SCHEDULES, SHIFTED, VP, Exact, lam, levels, name
from scipy.integrate import quad

import workbench as wb
from workbench import solvers
from workbench.solvers.singlestep import singlestep

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
faces = pytest.mark.parametrize("face", ["data", "noise"])
X = torch.tensor([[-1.5, -0.3, 0.2, 0.9, 1.8]], dtype=torch.float64)
RATIOS = [(1 / 3, 2 / 3), (0.25, 0.5), (0.4, 1.0), (0.1, 0.9), (0.6, 2 / 3)]


def ends(schedule) -> tuple[float, float]:
    return (0.8, 0.3) if schedule.t_max == 1 else (8.0, 0.6)


@cache
def fine_run(start: float, stop: float) -> torch.Tensor:
    """The mixture's flow on VP, by 300 steps of another method of fourth order."""
    grid = wb.grids.log_snr(VP(), 300, max(start, stop), min(start, stop))
    return wb.solve(Exact(VP(), SHIFTED), X, grid if start > stop else grid.flip(0), solvers.RK4()).x


def integral(schedule, t: float, s: float, face: str, curve) -> float:
    """What an answer that follows ``curve(lambda - lambda_t)`` adds to x on the way from t to s."""
    c, d = levels(schedule, s)
    low, high = lam(schedule, t), lam(schedule, s)
    weight = (lambda u: d * math.exp(u)) if face == "data" else (lambda u: -c * math.exp(-u))
    return quad(lambda u: weight(u) * curve(u - low), low, high, epsabs=1e-14, epsrel=1e-12)[0]


def carried(schedule, t: float, s: float, face: str) -> float:
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    return d / b if face == "data" else c / a


@every
@faces
def test_first_order_holds_the_answer_still(schedule, face) -> None:
    t, s = ends(schedule)
    row = singlestep(schedule, t, s, 1, face)
    assert [stage.t for stage in row.stages] == [t] and row.final.t == s
    assert row.final.scale == pytest.approx(carried(schedule, t, s, face), rel=1e-12)
    assert row.final.weights == pytest.approx((integral(schedule, t, s, face, lambda u: 1.0),), rel=1e-9)


@every
@faces
@pytest.mark.parametrize("r1", [0.25, 0.5, 0.8, 1.0])
def test_second_order(schedule, face, r1) -> None:
    t, s = ends(schedule)
    h = lam(schedule, s) - lam(schedule, t)
    for correction in ("midpoint", "taylor"):
        row = singlestep(schedule, t, s, 2, face, correction, r1)
        inner = row.stages[1]
        assert lam(schedule, inner.t) - lam(schedule, t) == pytest.approx(r1 * h, rel=1e-9)
        assert inner.scale == pytest.approx(carried(schedule, t, inner.t, face), rel=1e-9)
        assert inner.weights == pytest.approx((integral(schedule, t, inner.t, face, lambda u: 1.0),), rel=1e-8)
        whole = integral(schedule, t, s, face, lambda u: 1.0)
        change = whole / (2 * r1) if correction == "midpoint" else integral(schedule, t, s, face, lambda u: u / (r1 * h))
        assert row.final.weights == pytest.approx((whole - change, change), rel=1e-8, abs=1e-12)
        assert row.final.scale == pytest.approx(carried(schedule, t, s, face), rel=1e-12)


@every
@faces
@pytest.mark.parametrize(("r1", "r2"), RATIOS)
def test_third_order(schedule, face, r1, r2) -> None:
    """Lines and parabolas through the answers, integrated numerically; the part g of the first stage's correction written out."""
    t, s = ends(schedule)
    h = lam(schedule, s) - lam(schedule, t)
    g = r2 * (3 * r2 - 2) / (r1 * (2 - 3 * r1))
    for correction in ("midpoint", "taylor"):
        row = singlestep(schedule, t, s, 3, face, correction, r1, r2)
        first, second = row.stages[1:]
        assert [lam(schedule, stage.t) - lam(schedule, t) for stage in (first, second)] == pytest.approx([r1 * h, r2 * h], rel=1e-9)
        assert first.weights == pytest.approx((integral(schedule, t, first.t, face, lambda u: 1.0),), rel=1e-8)
        line = integral(schedule, t, second.t, face, lambda u: u / (r1 * h))
        level = 0 if face == "data" else 1
        moved = levels(schedule, second.t)[level] / levels(schedule, first.t)[level]
        line += g * moved * integral(schedule, t, first.t, face, lambda u: u / (r1 * h))
        flat = integral(schedule, t, second.t, face, lambda u: 1.0)
        assert second.weights == pytest.approx((flat - line, line), rel=1e-7)
        assert second.scale == pytest.approx(carried(schedule, t, second.t, face), rel=1e-9)
        a, b = r1 * h, r2 * h
        if correction == "taylor":
            curves = (
                lambda u: (u - a) * (u - b) / (a * b),  # noqa: B023
                lambda u: u * (u - b) / (a * (a - b)),  # noqa: B023
                lambda u: u * (u - a) / (b * (b - a)),  # noqa: B023
            )
        else:
            run = g * a + b
            curves = (lambda u: 1 - (g + 1) * u / run, lambda u: g * u / run, lambda u: u / run)  # noqa: B023
        wanted = [integral(schedule, t, s, face, curve) for curve in curves]
        assert row.final.weights == pytest.approx(wanted, rel=1e-7, abs=1e-9)


@faces
def test_the_published_third_order(face) -> None:
    """r1 = 1/3 and r2 = 2/3 in the words of the papers; here with h = 0.9 by hand."""
    schedule = wb.schedules.VE()  # alpha = 1, sigma = t, lambda = -log t
    t, s, h = 3.0, 3.0 * math.exp(-0.9), 0.9
    row = singlestep(schedule, t, s, 3, face)
    s1, s2 = t * math.exp(-h / 3), t * math.exp(-2 * h / 3)
    e = math.expm1
    if face == "noise":
        a10, a21, b0, b2 = -s1 * e(h / 3), -2 * s2 * (e(2 * h / 3) / (2 * h / 3) - 1), -s * e(h), -1.5 * s * (e(h) / h - 1)
        a20 = -s2 * e(2 * h / 3) - a21
    else:
        a10, a21, b0, b2 = -e(-h / 3), 2 * (e(-2 * h / 3) / (2 * h / 3) + 1), -e(-h), 1.5 * (e(-h) / h + 1)
        a20 = -e(-2 * h / 3) - a21
    assert row.stages[1].weights == pytest.approx((a10,)) and row.stages[2].weights == pytest.approx((a20, a21))
    assert row.final.weights == pytest.approx((b0 - b2, 0.0, b2))


@every
@faces
@pytest.mark.parametrize("order", [1, 2, 3])
def test_tensors_of_times_give_the_same_rows(schedule, face, order) -> None:
    (t, s), flat = (
        ends(schedule),
        lambda row: [x for stage in (*row.stages, row.final) for x in (stage.t, stage.scale, *stage.weights)],
    )
    for correction in ("midpoint", "taylor"):
        one = flat(singlestep(schedule, t, s, order, face, correction))
        every_t, every_s = torch.tensor([t, 0.9 * t], dtype=torch.float64), torch.tensor([s, 0.5 * s], dtype=torch.float64)
        batch = flat(singlestep(schedule, every_t, every_s, order, face, correction))
        two = flat(singlestep(schedule, 0.9 * t, 0.5 * s, order, face, correction))
        got = [torch.as_tensor(entry, dtype=torch.float64).expand(2).tolist() for entry in batch]
        assert [pair[0] for pair in got] == pytest.approx(one, rel=1e-10, abs=1e-12)
        assert [pair[1] for pair in got] == pytest.approx(two, rel=1e-10, abs=1e-12)


@faces
@pytest.mark.parametrize("correction", ["midpoint", "taylor"])
@pytest.mark.parametrize(("order", "r1", "r2"), [(2, 0.3, None), (2, 1.0, None), *((3, *pair) for pair in RATIOS)])
def test_order_for_any_ratios(face, correction, order, r1, r2) -> None:
    """Down against a fine run of another method; every admissible pair keeps the order."""
    model, x = Exact(VP(), SHIFTED), X
    grid = lambda n: wb.grids.log_snr(VP(), n, 1.0, 0.02)  # noqa: E731
    truth, solver = fine_run(1.0, 0.02), solvers.DPMSolver(order, face, correction, r1, r2)
    coarse, fine = ((wb.solve(model, x, grid(n), solver).x - truth).abs().max().item() for n in (60, 120))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.2), (coarse, fine)


@pytest.mark.parametrize("order", [2, 3])
@faces
def test_up_and_in_float32(face, order) -> None:
    """Inversion converges upward with the order; float32 follows float64."""
    model, x = Exact(VP(), SHIFTED), X
    grid = lambda n: wb.grids.log_snr(VP(), n, 0.9, 0.02).flip(0)  # noqa: E731
    truth, solver = fine_run(0.02, 0.9), solvers.DPMSolver(order, face)
    coarse, fine = ((wb.solve(model, x, grid(n), solver).x - truth).abs().max().item() for n in (40, 80))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.25), (coarse, fine)
    down = grid(20).flip(0)
    single, double = (wb.solve(model, x.to(dtype), down, solver).x for dtype in (torch.float32, torch.float64))
    torch.testing.assert_close(single.double(), double, rtol=0, atol=2e-5)


def test_messages() -> None:
    for make, message in (
        (lambda: solvers.DPMSolver(4), "orders 1, 2, 3"),
        (lambda: solvers.DPMSolver(True), "orders 1, 2, 3"),
        (lambda: solvers.DPMSolver(face="score"), "face"),
        (lambda: solvers.DPMSolver(correction="heun"), "correction"),
        (lambda: solvers.DPMSolver(1, r1=0.5), "leave out"),
        (lambda: solvers.DPMSolver(2, r2=0.5), "leave out"),
        (lambda: solvers.DPMSolver(2, r1=0.0), "0 < r1 <= 1"),
        (lambda: solvers.DPMSolver(2, r1=1.2), "0 < r1 <= 1"),
        (lambda: solvers.DPMSolver(3, r1=0.5, r2=0.5), "after r1"),
        (lambda: solvers.DPMSolver(3, r1=0.5, r2=1.1), "after r1"),
        (lambda: solvers.DPMSolver(3, r1=0.8), "after r1"),
        (lambda: solvers.DPMSolver(3, r1=2 / 3, r2=0.9), "no third order"),
        (lambda: solvers.DPMSolverPP2S(face="score"), "face"),
        (lambda: solvers.DPMSolverPP3S(r1=0.7, r2=0.6), "after r1"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
