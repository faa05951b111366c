"""Searching solvers: the budget is spent exactly, nothing is lost, held-out noise judges, and a search is the same whenever it is run."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.schedules import VP, Rectified
from workbench.search import Evolution, Predictor, Sieve, SolverMutation, SolverSpace, Stage
from workbench.search.solving import BEGINNINGS, SolverJudge
from workbench.solvers import DDIM, ModelStatistics, StepChoice, Unified, UniPC, unify

LAW = wb.gaussian.GaussianDenoiser(torch.tensor([0.5, -0.2]).double(), torch.tensor([0.6, 0.2]).double(), VP())
FEW = Evolution(4, 6, (Stage(4, 2), Stage(16, 1)))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def starts(count=16, seed=3, law=LAW):
    return law.schedule.prior((count, 2), law.schedule.t_first, generator=seeded(seed)).double()


NOISE, HELD = starts(), starts(seed=4)


def space(budget, schedule=None, stop=None, **more):
    schedule = schedule or VP()
    start = 1.0 if isinstance(schedule, Rectified) else schedule.t_first
    return SolverSpace(schedule, budget, start, schedule.t_last if stop is None else stop, **more)


def beginning(whole):
    place = wb.grids.log_snr(whole.schedule, whole.budget, whole.start, whole.stop)
    return whole.encode(*unify(UniPC(order=2), whole.schedule, place))


@given(st.integers(4, 9), st.integers(0, 10**6), st.sampled_from([(VP(), None), (VP(), 0.0), (Rectified(), 0.0)]))
def test_every_mutation_spends_the_budget_exactly(budget, seed, ends):
    whole = space(budget, *ends)
    state, draws = beginning(whole), seeded(seed)
    mutate = SolverMutation(whole, drift=2.0, stretch=0.5)
    for _ in range(12):
        state = mutate(state, draws)
        solver, grid = whole.decode(state)
        assert solver.evaluations_on(whole.schedule, grid) == budget == whole.cost(state)
        assert bool((grid.diff() < 0).all()) and whole.encode(solver, grid)[1] == state[1]


def test_the_price_is_what_a_run_pays():
    whole = space(7, stop=0.0)
    state, draws, seen = beginning(whole), seeded(1), set()
    for _ in range(30):
        state = SolverMutation(whole)(state, draws)
        solver, grid = whole.decode(state)
        seen |= {step[5] for step in state[1]}
        assert wb.solve(LAW, NOISE, grid, solver).evaluations == 7
    assert seen == {"none", "pseudo", "implicit"}


def test_states_survive_the_round_trip_and_one_solver_is_one_state():
    whole = space(5)
    state = beginning(whole)
    solver, grid = whole.decode(state)
    plain = wb.solve(LAW, NOISE, wb.grids.log_snr(VP(), 5), UniPC(order=2)).x
    torch.testing.assert_close(wb.solve(LAW, NOISE, grid, solver).x, plain, rtol=1e-4, atol=1e-4)
    useless = StepChoice(order=1, relaxation=0.3, corrector_relaxation=0.2)
    assert whole.encode(Unified((useless,)), grid) == whole.encode(Unified((StepChoice(),)), grid)
    with pytest.raises(ValueError, match="no place for"):
        whole.encode(Unified((StepChoice(order=3, curvature=0.5),)), grid)


def test_a_search_improves_and_reports_what_it_paid():
    asked = []

    class Listening(wb.gaussian.GaussianDenoiser):
        def data(self, x, t):
            asked.append(len(x))
            return super().data(x, t)

        def noise(self, x, t):
            asked.append(len(x))
            return super().noise(x, t)

    law = Listening(LAW.mean, torch.tensor([0.6, 0.2]).double(), VP())
    found = wb.search.solver(law, 4, noise=NOISE, held_out=HELD, generator=seeded(), settings=FEW, judged=4)
    assert found.fitness < found.begin_fitness and found.evaluations == sum(asked)
    assert found.judging == 2 * 4 * len(HELD)
    judge = SolverJudge(LAW, HELD, LAW.flow(HELD, 1.0, VP().t_last), 4)
    assert found.held_out == pytest.approx(judge(found.solver, found.grid)) and found.gap == found.held_out / found.fitness
    assert "held-out" in str(found) and {"liu2024unified", "sieberling2025evopress"} <= set(found.paper)


def test_deterministic_resumed_and_interrupted(tmp_path):
    def run(checkpoint=None, callback=None, generations=4):
        return wb.search.solver(
            LAW, 5, noise=NOISE, held_out=HELD, generator=seeded(5), settings=Evolution(generations, 6, FEW.stages), judged=3,
            begin=(DDIM(), wb.grids.log_snr(VP(), 5)), checkpoint=checkpoint, callback=callback,
        )  # fmt: skip

    whole = run()
    assert whole.found.known == run().found.known

    def stop(found):
        if len(found.history) == 3:
            raise KeyboardInterrupt

    path = tmp_path / "search.pt"
    part = run(path, stop)
    assert part.interrupted and part.fitness == part.found.history[-1].fitness <= part.begin_fitness
    again = run(path)
    assert (again.found.best, again.found.history) == (whole.found.best, whole.found.history) and not again.interrupted


def test_a_network_without_a_flow_pays_for_its_truth():
    net = wb.NetworkDenoiser(lambda x, t: torch.tanh(x), VP(), predicts="data")
    one = wb.search.solver(net, 4, noise=NOISE, held_out=HELD, generator=seeded(), settings=Evolution(0, 6, FEW.stages))
    two = wb.search.solver(
        net, 4, noise=NOISE, held_out=HELD, generator=seeded(), settings=Evolution(0, 6, FEW.stages), truth=lambda x: 0.5 * x
    )
    assert one.evaluations - two.evaluations == 80 * (len(NOISE) + len(HELD)) and one.begin != "the given solver"


def test_a_solver_that_spends_more_is_an_error_and_one_without_numbers_is_the_worst():
    judge = SolverJudge(LAW, NOISE, NOISE, 4)
    with pytest.raises(RuntimeError, match="spent 5 evaluations"):
        judge(DDIM(), wb.grids.log_snr(VP(), 5))
    nowhere = wb.NetworkDenoiser(lambda x, t: x * math.nan, VP(), predicts="data")
    assert SolverJudge(nowhere, NOISE, NOISE, 4)(DDIM(), wb.grids.log_snr(VP(), 4)) == math.inf


def test_the_predictor_learns_a_smooth_fitness_and_the_sieve_uses_it():
    whole, draws = space(6), seeded(2)
    mutate, parent = SolverMutation(whole), beginning(whole)
    states = list(dict.fromkeys(mutate(parent, draws) for _ in range(80)))
    worth = [math.exp(sum(k * p for k, p in enumerate(s[0], 1)) + 0.3 * sum(step[0] == "noise" for step in s[1])) for s in states]
    guess = Predictor(6).trained(states[:60], worth[:60])
    order = torch.argsort(torch.argsort(guess(states[60:]))).double()
    wanted = torch.argsort(torch.argsort(torch.tensor(worth[60:]))).double()
    assert float(torch.corrcoef(torch.stack([order, wanted]))[0, 1]) > 0.5
    torch.testing.assert_close(guess(states[:60]).exp(), torch.tensor(worth[:60]).double(), rtol=0.2, atol=0.2)
    known = {(s, 0): w for s, w in zip(states[:60], worth[:60], strict=True)}
    chosen = Sieve(Predictor(6), judged=3)(known, states[60:])
    assert chosen == [states[60:][k] for k in torch.argsort(guess(states[60:]), stable=True)[:3]]
    assert Sieve(Predictor(6), judged=3)({}, states) == states[:3]


def test_statistics_widen_the_space():
    known = ModelStatistics.constant(0.5, -0.5)
    whole = space(4, faces=("v3",), statistics=known)
    state = whole.encode(Unified((StepChoice("v3", order=2),), known), wb.grids.log_snr(VP(), 4))
    for _ in range(8):
        state = SolverMutation(whole)(state, seeded(len(state[0])))
        assert {step[0] for step in state[1]} == {"v3"} and whole.decode(state)[0].statistics is known


def test_messages():
    for make, message in (
        (lambda: space(0), "at least 1"),
        (lambda: space(1, stop=0.0), "at least 2"),
        (lambda: space(4, faces=()), "at least one entry"),
        (lambda: space(4, faces=("v3",)), "statistics"),
        (lambda: space(4, correctors=("implicit",)), "odd budget"),
        (lambda: space(4).check(((0.5,), ())), "spends 0 evaluations"),
        (lambda: space(2).check(((0.0,), (("data", 0, 1, True, 0.0, "none", 0.0),) * 2)), "rising places"),
        (lambda: SolverMutation(space(4), drift=0.0), "drift"),
        (lambda: Predictor(0), "slots"),
        (lambda: Predictor(2).trained([], []), "two states"),
        (lambda: Sieve(Predictor(2), judged=0), "judged"),
        (lambda: wb.search.solver(LAW, 4, noise=NOISE, held_out=HELD[:, :1], generator=seeded()), "held_out"),
        (lambda: wb.search.solver(LAW, 4, noise=NOISE[:8], held_out=HELD, generator=seeded(), settings=FEW), "16 samples"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make()
    assert all(unify(one, VP(), wb.grids.log_snr(VP(), 3)) for one in BEGINNINGS)
