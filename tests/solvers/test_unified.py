"""The framework of solvers: its special cases, and any choice at all against the same run written out without a table."""

import math

import numpy as np
import pytest
import torch
from helpers import SHIFTED, Exact, Mixture, label, levels
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, Cosine, Rectified
from workbench.solvers import ModelStatistics, StepChoice, Unified, unify

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)
UniPC, SA = solvers.UniPC, solvers.SASolver
CASES = [
    solvers.DDIM(),
    solvers.Euler(),
    solvers.Heun(),
    solvers.DPMSolverPP2M(),
    solvers.DPMSolverPP2M(correction="taylor", face="noise", final_order=1),
    solvers.DPMSolverPP3M(),
    solvers.DPMSolverPP3M(published=True),
    solvers.DEIS(order=4, variable="log_rho"),
    UniPC(order=1, variant="B1"),
    UniPC(order=2, variant="B1", face="noise"),
    UniPC(order=2, corrector=False, variant="B1"),
    UniPC(corrector_from=2, final_order=1),
    UniPC(variant="varying"),
    SA(predictor=2, corrector=4, tau=0.0),
    SA(predictor=3, corrector=2, tau=0.0, face="noise"),
    solvers.DPMSolver(order=2),
    solvers.DPMSolver(order=2, correction="taylor", r1=0.7),
    solvers.DPMSolver(order=3),
    solvers.DPMSolver(order=3, correction="taylor"),
    solvers.DPMSolverPP2S(),
    solvers.DPMSolverPP3S(),
]
SCALAR = ModelStatistics(
    torch.linspace(-8, 8, 33, dtype=torch.float64),
    torch.linspace(0.9, 0.1, 33, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.8, 0.5], dtype=torch.float64),
    torch.linspace(-0.1, -0.8, 33, dtype=torch.float64)[:, None] * torch.ones(3, dtype=torch.float64),
    torch.full((33, 3), 0.2, dtype=torch.float64),
)
V3 = [
    solvers.DPMSolverV3(SCALAR, order=order, corrector=c, pseudo_predictor=c == "same")
    for order in (1, 2, 3)
    for c in ("none", "same", "higher")
]


@pytest.mark.parametrize("solver", [*CASES, *V3], ids=lambda s: f"v3-{s.order}-{s.corrector}" if s in V3 else label(s))
def test_special_cases(solver):
    for schedule, grid in ((VP(), wb.grids.karras(VP(), 7)), (Rectified(), wb.grids.log_snr(Rectified(), 6, 1.0, 0.0))):
        one, points = unify(solver, schedule, grid)
        model = Mixture(schedule, SHIFTED, "data")
        ours, theirs = (wb.solve(model, X, g, s) for g, s in ((points, one), (grid, solver)))
        torch.testing.assert_close(ours.x, theirs.x, rtol=1e-10, atol=1e-10)
        assert ours.evaluations == theirs.evaluations == one.evaluations_on(schedule, points)


def test_what_is_no_special_case_says_why():
    grid = wb.grids.log_snr(VP(), 4)
    for solver, message in (
        (solvers.DDIM(eta=1.0), "draws noise"),
        (solvers.RK4(), "not a special case"),
        (solvers.Heun(variable="t"), "variable='rho'"),
        (solvers.DEIS(), "variable='log_rho'"),
        (solvers.LMS(), "not integrate a polynomial"),
        (solvers.DPMSolverPP3S(r1=0.25, r2=0.5), "published ratios"),
        (solvers.DPMSolver(order=2, r1=1.0), "not a grid"),
        (solvers.DPMSolverV3(SCALAR, pseudo_corrector=True), "pseudo_corrector=False"),
    ):
        with pytest.raises(ValueError, match=message):
            unify(solver, VP(), grid)


def written_out(model, x, times, choices):
    """The same run with every state in memory: polynomials by numpy, integrals by quadrature, corrections one after the other."""
    nodes, gauss = np.polynomial.legendre.leggauss(40)
    lam = [math.log(a / b) for a, b in (levels(model.schedule, t) for t in times)]
    level = [levels(model.schedule, t) for t in times]
    asked, states = [], [x]

    def look(j, state):
        data = model.answer("data", state, times[j])
        return {"data": data, "noise": (state - level[j][0] * data) / level[j][1]}

    def move(choice, i, estimators, relaxation, extra=(), curvature=1.0):
        """From the start's state to point i + 1; ages count from i, and -1 is point i + 1."""
        known, own = [*asked, *extra], i - choice.start
        h, (a, b), (c, d) = lam[i + 1] - lam[own], level[own], level[i + 1]
        sign = -1 if choice.face == "data" else 1
        u = h / 2 * (nodes + 1)
        weight = h / 2 * gauss * np.exp(sign * (h - u)) * (c if sign < 0 else -d)
        out = (d / b if sign < 0 else c / a) * states[own] + weight.sum() * known[own][choice.face]
        for k, ages in enumerate(estimators, 1):
            points = [own, *(i - age for age in ages)]
            inverse = np.linalg.inv(np.vander([lam[p] - lam[own] for p in points], increasing=True))
            derivative = sum(math.factorial(k) * inverse[k, j] * known[p][choice.face] for j, p in enumerate(points))
            term = (weight * u**k).sum() / math.factorial(k)
            if k == 1 and isinstance(relaxation, str):
                if len(estimators) == 1:
                    big = h if relaxation == "B1" else math.expm1(sign * h) / sign
                    term = (c if sign < 0 else -d) * big * h / 2
            elif k == 1:
                term *= 1 + relaxation * h
            out = out + term * derivative * (curvature if k == 2 else 1)
        return out

    for i in range(len(times) - 1):
        if len(asked) == i:
            asked.append(look(i, x))
            before = choices[i - 1] if i else None
            if i and before.corrector == "pseudo":
                states[i] = move(before, i - 1, *correction(before, i - 1), extra=())
        choice = choices[i]
        x = move(choice, i, choice.estimators(), choice.relaxation, curvature=choice.curvature)
        if choice.corrector == "implicit":
            x = move(choice, i, *correction(choice, i), extra=(look(i + 1, x),))
        states.append(x)
    return x


def correction(choice, i):
    others = choice.correcting(i)
    return (others,) * len(others), choice.corrector_relaxation


@st.composite
def anything(draw):
    order = draw(st.integers(1, 4))
    start = draw(st.integers(0, 3))
    ages = [age for age in range(5) if age != start]
    uses = None
    if draw(st.booleans()):
        uses = tuple(tuple(draw(st.permutations(ages))[: draw(st.integers(k, 3))]) for k in range(1, order))
    relaxed = st.one_of(st.floats(-0.4, 0.4), st.sampled_from(["B1", "B2"]))
    corrector = draw(st.sampled_from(["none", "pseudo", "implicit"]))
    own = draw(st.sampled_from([None, 2, 3]))
    face, half = draw(st.sampled_from(["data", "noise"])), draw(st.sampled_from([1.0, 0.5]))
    return StepChoice(face, start, order, uses, draw(relaxed), half, corrector, own, draw(relaxed))


@settings(max_examples=15)
@given(st.lists(anything(), min_size=5, max_size=5), st.sampled_from(["data", "noise", "velocity"]))
def test_any_choices_written_out(choices, predicts):
    schedule = Cosine() if len(choices[0].estimators()) % 2 else VE()
    times = wb.grids.log_snr(schedule, 5, 0.8 if schedule.t_max == 1 else 8.0, 0.2).tolist()
    solver = Unified(tuple(choices))
    run = wb.solve(Mixture(schedule, SHIFTED, predicts), X, times, solver)
    wanted = written_out(Mixture(schedule, SHIFTED), X, times, [solver.choice(i) for i in range(5)])
    torch.testing.assert_close(run.x, wanted, rtol=1e-7, atol=1e-7)
    assert run.evaluations == 5 + sum(one.corrector == "implicit" for one in choices) == solver.evaluations(5, to_zero=False)


def slope(choices, steps=(40, 80, 160)) -> float:
    truth = solvers.reference(Exact(VP(), SHIFTED), X, 1.0, 0.01, rtol=1e-12, atol=1e-13).x
    errors = []
    for n in steps:
        solver = Unified(tuple(choices[i % len(choices)] for i in range(n)))
        errors.append(
            (wb.solve(Exact(VP(), SHIFTED), X, wb.grids.log_snr(VP(), n, 1.0, 0.01), solver).x - truth).abs().max().item()
        )
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("choices", "order"),
    [
        ([StepChoice(order=2, relaxation=0.3)], 2),
        ([StepChoice(order=2, relaxation=-0.3), StepChoice("noise", order=2)], 2),
        ([StepChoice(order=3, uses=((1,), (1, 2)))], 2),
        ([StepChoice(order=2, uses=((1, 2),))], 2),
        ([StepChoice(order=3), StepChoice("noise", order=3)], 3),
        ([StepChoice(order=2, corrector="pseudo"), StepChoice("noise", order=2, corrector="implicit")], 3),
        ([StepChoice("noise"), StepChoice("noise", 1, 2)], 2),
    ],
)
def test_orders_of_mixtures(choices, order):
    """The least of what the steps keep: a relaxation by 1 + O(h) costs no order at two terms, the nearest answers alone leave two."""
    assert slope(choices) == pytest.approx(order, abs=0.25)


def test_statistics_of_the_plain_faces_are_the_plain_faces():
    for statistics, face in ((ModelStatistics.constant(1, 0), "data"), (ModelStatistics.constant(0, -1), "noise")):
        steps = [StepChoice("v3", order=2), StepChoice("v3", 1, 3, corrector="implicit"), StepChoice("v3", order=3)]
        plain = [StepChoice(face, one.start, one.order, corrector=one.corrector) for one in steps]
        grid = wb.grids.karras(VP(), 5, 0.9, 0.05)
        for predicts in ("data", "noise"):
            model = Mixture(VP(), SHIFTED, predicts)
            ours = wb.solve(model, X, grid, Unified(tuple(steps), statistics)).x
            torch.testing.assert_close(ours, wb.solve(model, X, grid, Unified(tuple(plain))).x, rtol=1e-7, atol=1e-7)


def test_faces_mix_with_statistics_and_memory_is_no_longer_than_needed():
    steps = (
        StepChoice("noise"),
        StepChoice("v3", order=2),
        StepChoice("data", 2, 2),
        StepChoice("v3", order=3, corrector="pseudo"),
    )
    model, grid = Mixture(VP(), SHIFTED), wb.grids.karras(VP(), 6, 0.9, 0.05)
    whole, alone = (wb.solve(model, x, grid, Unified(steps, SCALAR)).x for x in (X, X[:1]))
    torch.testing.assert_close(whole[:1], alone, rtol=1e-12, atol=1e-12)
    assert [row.keep for row in Unified((StepChoice(),)).plan(VP(), grid)] == [0] * 6
    assert [row.keep for row in Unified((StepChoice(order=3),)).plan(VP(), grid)] == [1, 2, 2, 2, 2, 0]


def test_choices_that_cannot_be_met_are_left_out():
    asked = StepChoice(order=4, start=2)
    assert [asked.within(i).order for i in range(5)] == [1, 2, 3, 4, 4]
    assert [asked.within(i).start for i in range(4)] == [0, 1, 2, 2]
    far = StepChoice(order=3, uses=((2,), (1, 3)))
    assert [far.within(i).estimators() for i in (0, 1, 2, 3)] == [(), (), ((2,),), ((2,), (1, 3))]


def test_messages():
    for make, message in (
        (lambda: StepChoice("score"), "face"),
        (lambda: StepChoice(order=5), "1 to 4"),
        (lambda: StepChoice(start=-1), "age of a state"),
        (lambda: StepChoice(order=2, uses=()), "1 derivative"),
        (lambda: StepChoice(order=3, uses=((1,), (1,))), "derivative 2 needs at least 2"),
        (lambda: StepChoice(order=2, uses=((0,),)), "other than 0"),
        (lambda: StepChoice(relaxation="B3"), "relaxation"),
        (lambda: StepChoice(corrector_relaxation=math.nan), "corrector_relaxation"),
        (lambda: StepChoice("v3", relaxation="B1"), "data and noise"),
        (lambda: StepChoice(curvature=math.inf), "curvature"),
        (lambda: StepChoice(corrector="both"), "corrector"),
        (lambda: StepChoice(corrector_order=6), "corrector_order"),
        (lambda: Unified(()), "at least one"),
        (lambda: Unified((StepChoice("v3"),)), "statistics"),
        (lambda: Unified(statistics=ModelStatistics.of_gaussian(wb.characters.ellipse(VP()))), "basis"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
    with pytest.raises(TypeError, match="StepChoice"):
        Unified(("data",))
