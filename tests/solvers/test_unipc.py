"""UniPC: the published linear system, diffusers' scheduler, equivalences and orders."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from helpers import PRESERVING, SCHEDULES, SHIFTED, Exact, Mixture, lam, levels, name
from schedulers import drive, scheduler

import workbench as wb
from workbench import solvers
from workbench.schedules import VP
from workbench.solvers.interpolated import interpolated
from workbench.solvers.unipc import UniPC

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


def published(schedule, t, s, past, face, variant, corrector):
    """Weights of one step in the words of the paper: R rho = b, differences D_k, any B(h).  ``past`` starts at t."""
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    begin, h = lam(schedule, t), lam(schedule, s) - lam(schedule, t)
    z, carried, scale = (-h, d / b, c) if face == "data" else (h, c / a, d)
    big = {"B1": z, "B2": math.expm1(z), "odd": z * (1 + 0.3 * h)}[variant]
    ratios = [(lam(schedule, u) - begin) / h for u in past[1:]] + [1.0] * corrector
    tail, factor, right = math.expm1(z) / z - 1, 1, []
    for k in range(1, len(ratios) + 1):
        right.append(tail * factor / big)
        factor *= k + 1
        tail = tail / z - 1 / factor
    rho = np.linalg.solve(np.array([[r**i for r in ratios] for i in range(len(ratios))]), right) if ratios else np.zeros(0)
    if len(ratios) == 1 and variant != "odd":
        rho = np.array([0.5])  # the published shortcut
    weights = -scale * big * rho / np.array(ratios)
    return carried, (-scale * math.expm1(z) - weights.sum(), *weights)


@every
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("variant", ["B1", "B2"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_published_system(schedule, face, variant, order) -> None:
    times = wb.grids.karras(schedule, 6)[1:6].tolist()
    t, s, past = times[3], times[4], times[3::-1][:order]
    solver = UniPC(order=order, variant=variant, face=face)
    carried, weights = published(schedule, t, s, past, face, variant, corrector=False)
    row = solver.weights(schedule, past, s)
    assert (row.x, *row.past) == pytest.approx((carried, *weights), rel=1e-7)
    carried, (now, *older) = published(schedule, t, s, past, face, variant, corrector=True)
    row = solver.corrected(schedule, past, s, order + 1)
    assert (row.x, *row.past) == pytest.approx((carried, older[-1], now, *older[:-1]), rel=1e-7)


@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("corrector", [False, True])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_no_b_is_felt_where_the_system_is_solved(face, corrector, order) -> None:
    """Any B(h) gives the varying coefficients; so the variants differ in UniP-2 and UniC-1 alone."""
    times = wb.grids.karras(VP(), 6)[1:6].tolist()
    t, s, past = times[3], times[4], times[3::-1][:order]
    got = published(VP(), t, s, past, face, "odd", corrector)[1]
    exact = interpolated(VP(), t, s, (*past, s) if corrector else past, face).past
    assert got == pytest.approx(exact, rel=1e-9)
    nodes = (s, *past) if corrector else past
    rows = {v: interpolated(VP(), t, s, nodes, face, variant=v).past for v in ("B1", "B2", "varying")}
    assert (rows["B1"] == rows["B2"] == rows["varying"]) == (len(nodes) != 2)


def run(solver, model, n=9, ends=2.0):
    schedule = model.schedule
    return wb.solve(model, X, wb.grids.log_snr(schedule, n, stop=ends * schedule.t_last), solver).x


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
def test_equivalences(schedule) -> None:
    model = Exact(schedule, SHIFTED)
    for face in ("data", "noise"):
        two = {"order": 2, "corrector": False, "face": face}
        pairs = [
            (UniPC(order=1, corrector=False, face=face), solvers.DDIM()),
            (UniPC(variant="B2", **two), solvers.DPMSolverPP2M(face=face)),
            (UniPC(variant="varying", **two), solvers.DPMSolverPP2M(correction="taylor", face=face)),
            (UniPC(variant="varying", corrector=False, face=face), solvers.DPMSolverPP3M(face=face)),
            (UniPC(variant="varying", face=face), solvers.SASolver(predictor=3, corrector=4, tau=0.0, face=face)),
        ]
        for one, other in pairs:
            torch.testing.assert_close(run(one, model), run(other, model), rtol=1e-10, atol=1e-10)
    assert (run(UniPC(order=2, variant="B1", corrector=False), model) - run(solvers.DPMSolverPP2M(), model)).abs().max() > 1e-3


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("variant", ["B1", "B2"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_as_diffusers_has_it(schedule, face, variant, order) -> None:
    model, grid = Mixture(schedule, SHIFTED), wb.grids.log_snr(schedule, 9, stop=2 * schedule.t_last)
    ours = {"order": order, "variant": variant, "face": face}
    theirs = {"solver_order": order, "solver_type": f"bh{variant[1]}", "predict_x0": face == "data"}
    cases = [
        ({}, {}),
        ({"lower_order_final": True}, {"final_order": 1}),
        ({"disable_corrector": [0, 1]}, {"corrector_from": 2}),
        ({"disable_corrector": list(range(9))}, {"corrector": False}),
    ]
    for their_settings, our_settings in cases:
        settings = {"final_sigmas_type": "sigma_min", "lower_order_final": False, **theirs, **their_settings}
        wanted = drive(scheduler("UniPCMultistep", **settings), model, X, grid)
        got = wb.solve(model, X, grid, UniPC(**ours, **our_settings)).x
        torch.testing.assert_close(got, wanted, rtol=0, atol=4e-6)


def test_the_finish_at_zero_is_that_of_diffusers_where_theirs_is_a_number() -> None:
    """Their B(h) of "bh1" is -inf at sigma = 0 and meets a weight 0: not a number.  Our finish never takes that logarithm."""
    model, grid = Mixture(VP(), SHIFTED), wb.grids.log_snr(VP(), 9, stop=0.0)
    for order, variant in ((2, "B1"), (3, "B1"), (2, "B2"), (3, "B2")):
        theirs = scheduler("UniPCMultistep", solver_order=order, solver_type=f"bh{variant[1]}", lower_order_final=True)
        got = wb.solve(model, X, grid, UniPC(order=order, variant=variant, final_order=2)).x
        wanted = drive(theirs, model, X, grid)
        assert bool(got.isfinite().all()) and bool(wanted.isfinite().all()) == (variant == "B2")
        if variant == "B2":
            torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)


@cache
def truth():
    """A mixture's flow from t = 1 to 0.01, where the first step, of order 1, starts in front of an answer that stands still."""
    return solvers.reference(Exact(VP(), SHIFTED), X, 1.0, 0.01, rtol=1e-12, atol=1e-13).x


def slope(solver, *steps) -> float:
    errors = []
    for n in steps:
        x = wb.solve(Exact(VP(), SHIFTED), X, wb.grids.log_snr(VP(), n, 1.0, 0.01), solver).x
        errors.append((x - truth()).abs().max().item())
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("variant", ["B1", "B2", "varying"])
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("corrector", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders(order, variant, face, corrector) -> None:
    """Order p predicted, p + 1 corrected."""
    if order == 3 and variant != "B2":
        return  # as B2 but for one step
    solver = UniPC(order=order, variant=variant, face=face, corrector=corrector)
    assert solver.global_order == order + corrector
    assert slope(solver, 80, 160, 320) == pytest.approx(solver.global_order, abs=0.1 if order < 3 else 0.3)


@pytest.mark.parametrize("corrector", [True, False])
def test_four_answers_predict_to_order_four_and_correct_to_order_five(corrector) -> None:
    assert slope(UniPC(order=4, corrector=corrector, face="noise"), 160, 320) == pytest.approx(4 + corrector, abs=0.3)


def test_correction_can_be_delayed() -> None:
    grid = wb.grids.log_snr(VP(), 6)
    rows = UniPC(order=2, corrector_from=2).plan(VP(), grid)
    plain, whole = (UniPC(order=2, corrector=c).plan(VP(), grid) for c in (False, True))
    assert [len(row.past) for row in rows] == [1, 2, 2, 3, 3, 3] and rows[:3] == plain[:3] and rows[3:] == whole[3:]


def test_messages() -> None:
    for make, message in (
        (lambda: UniPC(order=5), "UniPC has the orders 1, 2, 3, 4; got 5"),
        (lambda: UniPC(variant="B3"), "variant"),
        (lambda: UniPC(face="score"), "face"),
        (lambda: UniPC(final_order=0), "at least 1"),
        (lambda: UniPC(corrector_from=-1), "corrector=False"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
