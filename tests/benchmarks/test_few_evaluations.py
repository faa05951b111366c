"""Few evaluations at toy size: what is chosen on one noise is judged on other noise, rows are kept, ratios and goals are what they say."""

import json
import math
import sys
from dataclasses import replace

import pytest
import torch

import workbench as wb
from benchmarks import few_distances, few_evaluations, laws, searched_entrants
from benchmarks.accuracy import law_error
from benchmarks.contest import Contest, Line, Theirs, named, theirs, ways
from benchmarks.few_contests import ON, few, law_contests, network_problem
from benchmarks.judging import Judge
from benchmarks.kept import Kept
from benchmarks.peers import drive
from workbench.metrics import FeatureStatistics
from workbench.nets import Classifier

S = wb.solvers


def moments_of_the_ring():
    x = wb.characters.ring(ON).sample(20000, 0.0, generator=torch.Generator().manual_seed(0)).double()
    return x.mean(0), x.T.cov()


RING = laws.ring(ON, samples=8, seed=1), laws.ring(ON, samples=8)  # their exact ends are integrated once


@pytest.fixture
def ring(tmp_path):
    return Contest(*RING, wb.gaussian.GaussianDenoiser(*moments_of_the_ring(), ON), kept=Kept(tmp_path, law="ring"))


@pytest.fixture(scope="module")
def contests(tmp_path_factory):
    return law_contests(tmp_path_factory.mktemp("rows"))


def test_noise_to_choose_on_is_not_the_noise_to_judge_on(contests):
    for contest in contests.values():
        chosen, judged = contest.chosen.start(1.0), contest.judged.start(1.0)
        assert not any(bool((chosen == row).all(1).any()) for row in judged)
    torch.testing.assert_close(few(laws.ring(ON), 3).start(1.0), laws.ring(ON).start(1.0)[:3])


def test_the_ring_may_jump_along_the_gaussian_of_its_moments(contests):
    law, (mean, covariance) = contests["ring"].gaussian, moments_of_the_ring()
    torch.testing.assert_close(law.mean, mean, rtol=0, atol=0.05)
    torch.testing.assert_close(law.covariance.matrix(), covariance, rtol=0, atol=0.1)


def test_an_entrant_ends_where_solve_ends(ring):
    alone, jumped = next(ways(S.DDIM(), 4, ON)), next(ways(S.DDIM(), 4, ON, (8.0,)))
    x = ring.judged.start(1.0)
    run = wb.solve(ring.judged.law, x, alone.times, S.DDIM())
    expected = (run.x - ring.judged.exact(1.0, 0.0)).square().sum(1) / 2
    torch.testing.assert_close(ring.squares(alone), expected)
    assert alone.evaluations(ON) == run.evaluations == 4 == jumped.evaluations(ON)
    assert ON.sigma(jumped.times[0]) / ON.alpha(jumped.times[0]) == pytest.approx(8)
    begun = wb.gaussian.teleport(ring.gaussian, x, 1.0, jumped.times[0])
    torch.testing.assert_close(jumped.ends(ring.judged, ring.gaussian), wb.solve(ring.judged.law, begun, jumped.times, S.DDIM()).x)


def test_a_scheduler_of_diffusers_has_the_error_it_is_driven_to(ring):
    pytest.importorskip("diffusers")
    entrant = Theirs("DDIM", (("timestep_spacing", "trailing"),), (("clip_sample", False),), 5)
    error = drive(ring.judged, "DDIM", 5, timestep_spacing="trailing", clip_sample=False)
    assert float(ring.squares(entrant).mean().sqrt()) == pytest.approx(error, rel=1e-12)
    assert len(theirs(5)) > 12 and all(one.budget == 5 for offered in theirs(5).values() for one in offered)


def test_the_best_is_chosen_on_the_other_noise_and_nothing_is_measured_twice(ring, monkeypatch):
    offered = list(ways(S.UniPC(), 5, ON))
    (best,) = ring.best(offered)
    assert ring.error(best) == min(float(ring.squares(way, judged=False).mean().sqrt()) for way in offered)
    before = ring.squares(best)
    monkeypatch.setattr(wb, "solve", lambda *_, **__: pytest.fail("measured again"))
    again = Contest(ring.chosen, ring.judged, ring.gaussian, kept=ring.kept)
    assert again.best(offered) == [best] and torch.equal(again.squares(best), before)


def test_one_that_fails_is_never_the_best(ring, monkeypatch):
    monkeypatch.setattr(Theirs, "ends", lambda *_: None)
    failing = Theirs("DDIM", (), (), 5)
    assert ring.error(failing) == math.inf and ring.best([failing]) == []
    fine = next(ways(S.DDIM(), 5, ON))
    assert ring.best([failing, fine]) == [fine]


def test_solvers_that_agree_are_found(ring, monkeypatch):
    monkeypatch.setattr(few_evaluations, "BUDGETS", (4,))
    same = few_evaluations.alike((ring,), (S.DDIM(), S.UniPC(), S.DPMSolver(order=1), S.DPMSolverPP2M(), S.LMS(order=2)))
    assert same[S.DPMSolver(order=1)] == S.DDIM()
    assert len(set(same.values())) == 4


def test_a_ratio_and_its_standard_error(ring):
    a, b = (Line(ring, "ring", 5, next(ways(solver, 5, ON))) for solver in (S.UniPC(), S.DDIM()))
    value, error = few_evaluations.ratio(a, b)
    assert value == pytest.approx(a.told["error"] / b.told["error"], rel=1e-3)
    assert few_evaluations.ratio(a, a) == (1.0, 0.0) and error > 0
    more = [ring.squares(line.entrant) for line in (a, b)]
    draws = torch.randint(8, (4000, 8), generator=torch.Generator().manual_seed(0))
    ratios = (more[0][draws].mean(1) / more[1][draws].mean(1)).sqrt()
    assert error == pytest.approx(float(ratios.std()), rel=0.5)


def test_times_of_another_schedule_keep_their_noise_level():
    old = wb.schedules.VP()
    times = wb.grids.karras(old, 6, stop=0.0)
    new = searched_entrants.carried(times.tolist(), old, ON)
    assert new[0] == ON.t_first and new[-1] == 0
    for t, s in zip(times[1:-1].tolist(), new[1:-1], strict=True):
        assert ON.log_snr(s) == pytest.approx(old.log_snr(t), abs=1e-6)


def test_records_become_entrants(monkeypatch):
    old = wb.schedules.VP()
    space = wb.search.SolverSpace(old, 5, old.t_first, 0.0)
    places, steps = space.encode(*S.unify(S.DPMSolverPP2M(), old, wb.grids.log_snr(old, 5, stop=0.0)))
    times = wb.grids.karras(old, 5, stop=0.0).tolist()
    records = {
        "searched-solvers": {"rows": [{"budget": 5, "law": "network", "paid": 7, "places": places, "steps": steps}]},
        "searched-grids": {
            "rows": [{"evaluations": 5, "solver": "UniPC()", "paid": 9, "law": {"times": times}, "searched": {"times": times}}]
        },
    }
    monkeypatch.setattr(searched_entrants, "record_of", lambda name: json.loads(json.dumps(records[name])))
    ((built,),) = searched_entrants.assembled(5, ON)
    problem = laws.ring(ON, samples=4)
    expected = wb.solve(problem.law, problem.start(1.0), built.times, S.DPMSolverPP2M()).x
    torch.testing.assert_close(built.ends(problem, None), expected)
    (law,), (network,) = searched_entrants.placed(5, ON)
    assert law.solver == S.UniPC() and law.evaluations(ON) == 5 and law.about["method"] != network.about["method"]
    assert searched_entrants.placed(6, ON) == [] == searched_entrants.assembled(6, ON)
    paid = {row["of"]: row["evaluations"] for row in searched_entrants.recorded_costs()}
    assert paid["UniPC() on a searched grid (network)"] == 9 and paid["Unified(searched on the network)"] == 7


def test_of_those_that_draw_the_best_of_two_classes_come_first(monkeypatch):
    problem = laws.cifar10(ON, rank=8)
    known = {"cifar10": Contest(problem, problem, problem.law)}
    monkeypatch.setattr(few_distances.S, "ALL", (S.DDIM(), S.DDPM(), S.DDIM(eta=0.5), S.DDIM(eta=1.0), S.SDEDPMSolverPP()))
    found = few_distances.drawing(known, 6)
    assert len({type(way.solver) for way in found}) == len(found) == 2 and all(way.solver.stochastic for way in found)
    errors = [law_error(problem, way.solver, torch.tensor(way.times, dtype=torch.float64)) for way in found]
    offered = [way for solver in (S.DDPM(), S.DDIM(eta=0.5), S.SDEDPMSolverPP()) for way in ways(solver, 6, ON)]
    all_errors = [law_error(problem, way.solver, torch.tensor(way.times, dtype=torch.float64)) for way in offered]
    assert errors[0] == min(all_errors) and errors == sorted(errors)


def test_a_record_of_another_network_is_none(monkeypatch):
    monkeypatch.setattr(wb.artifacts, "available", lambda: ("other",))
    monkeypatch.setattr(wb.artifacts, "load", lambda name: {"network_sha256": "another"})
    assert searched_entrants.record_of("other") is None and searched_entrants.record_of("missing") is None


SHAPE = (3, 32, 32)


def toy_network(tmp_path, law):
    kept = Kept(tmp_path, network="toy")
    problems = network_problem(law, 4, 1000, kept), network_problem(law, 4, 0, kept)
    return Contest(*problems, law, contrast=True, kept=kept)


def test_the_command_line(monkeypatch, tmp_path, ring):
    pytest.importorskip("diffusers")
    law = wb.gaussian.GaussianDenoiser(torch.zeros(SHAPE, dtype=torch.float64), torch.linspace(0.05, 1, 3072).double(), ON)
    classifier = Classifier((4, 6), 10, generator=torch.Generator().manual_seed(0)).requires_grad_(False).eval()
    features = classifier.features(torch.randn(40, *SHAPE, generator=torch.Generator().manual_seed(1)).clamp(-1, 1))
    judge = Judge(classifier, FeatureStatistics.of(features))
    problem = laws.cifar10(ON, rank=8)
    one = Contest(laws.cifar10(ON, rank=8, first=20), problem, problem.law)
    monkeypatch.setattr(few_evaluations, "law_contests", lambda folder: {"ring": ring, "ten": ring, "cifar10": one})
    monkeypatch.setattr(few_evaluations, "network_contest", lambda *_: toy_network(tmp_path / "net", law))
    small = {"SOLVERS": (S.DDIM(), S.UniPC()), "LEADERS": (S.UniPC(),), "JUMPS": (8.0, 3.0)}
    for name, value in small.items():
        monkeypatch.setattr(few_evaluations, name, value)
    entrants = {"DDIM(clip_sample=False)": [Theirs("DDIM", (("timestep_spacing", "trailing"),), (("clip_sample", False),), 5)]}
    monkeypatch.setattr(few_evaluations, "theirs", lambda budget: entrants)
    monkeypatch.setattr(few_distances, "LEADING", 1)
    monkeypatch.setattr(few_distances, "ways", lambda solver, *more: ways(solver, *more) if solver == S.DDPM() else [])
    monkeypatch.setattr(Judge, "shipped", classmethod(lambda cls: judge))
    monkeypatch.setattr(few_evaluations, "newcomers", lambda *_: [named("mine", [next(ways(S.DPMSolverPP2M(), 5, ON))])])
    got = {}
    monkeypatch.setattr(few_evaluations, "publish_record", lambda name, facts, **more: got.update(name=name, facts=facts, **more))
    words = (
        f"--pictures 4 --choosing 4 --distance 20 --budgets 5 --keep {tmp_path / 'rows'} --json {tmp_path / 'out.json'} --artifact"
    )
    monkeypatch.setattr(sys, "argv", ["few_evaluations", *words.split()])
    few_evaluations.main()
    facts = json.loads((tmp_path / "out.json").read_text())
    assert got["name"] == "few-evaluations"
    assert got["command"] == "python -m benchmarks.few_evaluations --budgets 5 --pictures 4 --choosing 4 --distance 20 --artifact"
    rows = [dict(zip(facts["columns"], row, strict=True)) for row in facts["rows"]]
    network = [row for row in rows if row["where"] == "network"]
    assert {row["method"] for row in network} == {"DDIM()", "UniPC()", "mine", "DDIM(clip_sample=False)"}
    assert {row["method"] for row in network if row["jump"]} == {"DDIM()", "UniPC()"}
    jumped = min(row["error"] for row in network if row["jump"])
    assert jumped < min(row["error"] for row in network if not row["jump"]), "the network is the Gaussian itself"
    (goal,) = (one for one in facts["goals"] if one["where"] == "network")
    assert goal["ratio"] == pytest.approx(goal["our error"] / goal["their error"], rel=1e-2) and goal["ratio"] < 1
    assert [row["by"] for row in facts["distances"]] == ["workbench", "workbench", "diffusers", "workbench"]
    assert facts["distances"][2]["above theirs"] == pytest.approx(0, abs=1e-9)
    assert facts["distances"][3]["method"] == "DDPM()"


def test_ratios_of_dc_solver_are_searched_once(monkeypatch, tmp_path):
    law = wb.gaussian.GaussianDenoiser(torch.zeros(SHAPE, dtype=torch.float64), torch.full((3072,), 0.3).double(), ON)
    contest, begin = toy_network(tmp_path, law), next(ways(S.UniPC(order=2), 4, ON, (8.0,)))
    found, facts = searched_entrants.compensated(contest, begin)
    assert isinstance(found.solver, S.DCSolver) and found.times == begin.times and facts["evaluations"] > 0
    assert contest.error(found) <= contest.error(replace(begin, solver=S.DCSolver())) * 1.5
    monkeypatch.setattr(wb.search, "compensation", lambda *_, **__: pytest.fail("searched again"))
    assert searched_entrants.compensated(contest, begin) == (found, facts)
