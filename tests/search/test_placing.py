"""Four ways to search a grid: each finds the one that is known to be best, and says what it has cost."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

import workbench as wb
from workbench.nets.training.checkpoint import CheckpointError
from workbench.search import DynamicProgramming, ErrorDensity, Evolving, Refining, grid

VP = wb.schedules.VP()
DDIM, UniPC = wb.solvers.DDIM(), wb.solvers.UniPC()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def unit():
    return wb.gaussian.GaussianDenoiser(torch.zeros(2).double(), torch.ones(2).double(), VP)


@pytest.fixture(scope="module")
def ring():
    return wb.characters.ring(VP)


class Hidden(wb.Denoiser):
    """A law that does not say so: like a network, it can only be asked."""

    predicts = "noise"

    def __init__(self, law, cost=1):
        self.law, self.schedule, self.cost, self.asked = law, law.schedule, cost, 0

    def predict(self, x, t):
        self.asked += len(x)
        return self.law.noise(x, t)


def angles(times):
    return torch.tensor([math.atan2(VP.sigma(t), VP.alpha(t)) for t in times], dtype=torch.float64)


THETA = wb.grids.cosine_angle(VP, 40)
BEGIN = wb.grids.log_snr(VP, 4).tolist()
METHODS = [DynamicProgramming(), ErrorDensity(), Evolving(30, 6, begin=BEGIN), Refining(60, 5, begin=BEGIN)]


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_every_method_finds_the_best_grid_of_the_unit_gaussian(unit, method):
    candidates = wb.grids.cosine_angle(VP, 400) if isinstance(method, ErrorDensity) else THETA
    found = grid(unit, DDIM, 4, method=method, candidates=candidates, samples=4, generator=rng())
    step = angles(found).diff()
    assert float((step / step.mean() - 1).abs().max()) < (0.03 if isinstance(method, ErrorDensity | Refining) else 1e-9)
    shrunk = float(torch.cos(angles(THETA.tolist()[::10]).diff()).prod())
    ones = torch.ones(1, 2).double()
    assert float(wb.solve(unit, ones, found, DDIM).x[0, 0]) == pytest.approx(shrunk, rel=2e-3)


def test_a_grid_that_was_found_is_a_grid(unit):
    found = grid(unit, DDIM, 4, generator=rng())
    assert len(found) == 5 and list(found) == found.grid.tolist() and found[0] == VP.t_first and found[-1] == VP.t_last
    noise = torch.ones(3, 2).double()
    assert torch.equal(wb.solve(unit, noise, found, DDIM).x, wb.solve(unit, noise, found.grid, DDIM).x)
    assert "chen2024gits" in wb.cite(found)


@pytest.mark.parametrize("stop", [0.0, 0.05])
@pytest.mark.parametrize("method", [*METHODS[:2], Evolving(5, 3), Refining(5, 3)], ids=lambda one: one.name)
@pytest.mark.parametrize(
    "schedule", [VP, wb.schedules.VE(), wb.schedules.Rectified(), wb.schedules.Cosine()], ids=lambda s: type(s).__name__
)
def test_on_every_schedule_and_to_both_ends(schedule, method, stop):
    law = wb.characters.ellipse(schedule)
    start = schedule.t_max if math.isfinite(schedule.t_max) else schedule.t_first
    for n in (1, 2, 5):
        found = grid(law, UniPC, n, method=method, samples=8, candidates=20, generator=rng(), start=start, stop=stop)
        assert len(found) == n + 1 and (found[0], found[-1]) == (start, stop)
        assert all(a > b for a, b in itertools.pairwise(found))
        assert math.isfinite(found.fitness) and math.isfinite(found.held_out)


def test_a_search_is_not_worse_than_where_it_began_and_judges_on_other_noise(ring):
    hidden = Hidden(ring)
    noise, other = (VP.prior((6, 2), 1.0, generator=rng(seed)).double() for seed in (0, 1))
    ends, truth = (wb.solvers.reference(ring, one, 1.0, 1e-3, rtol=1e-6, atol=1e-8).x for one in (noise, other))
    usual = min(wb.metrics.relative_error(wb.solve(ring, noise, place(VP, 5), UniPC).x, ends) for place in wb.grids.ALL)
    for method in (Evolving(4, 3), Refining(4, 3)):
        found = grid(hidden, UniPC, 5, method=method, noise=noise, held_out=other, generator=rng())
        assert found.fitness <= found.history[0] and list(found.history) == sorted(found.history, reverse=True)
        if isinstance(method, Refining):
            assert found.history[0] == pytest.approx(usual, rel=0.02)
        end = wb.solve(ring, other, found, UniPC).x
        assert found.held_out == pytest.approx(wb.metrics.relative_error(end, truth), rel=0.02)
        assert found.held_out != found.fitness


@pytest.mark.parametrize("cost", [1, 2])
@pytest.mark.parametrize("method", [*METHODS[:2], Evolving(3, 2), Refining(3, 2)], ids=lambda one: one.name)
def test_every_evaluation_is_counted(ring, method, cost):
    hidden = Hidden(ring, cost)
    noise, other = VP.prior((3, 2), 1.0, generator=rng(2)).double(), VP.prior((4, 2), 1.0, generator=rng(3)).double()
    found = grid(hidden, UniPC, 4, method=method, noise=noise, held_out=other, candidates=12, generator=rng())
    assert found.evaluations == hidden.asked * cost
    assert found.judging == (12 + 4) * 4 * cost
    taught = wb.search.teach(hidden, noise, wb.grids.karras(VP, 12), UniPC)
    assert taught.evaluations == 12
    before = hidden.asked
    again = grid(hidden, UniPC, 4, method=method, noise=taught, held_out=other, candidates=12, generator=rng())
    assert again.times == found.times and again.fitness == found.fitness
    assert again.evaluations == (hidden.asked - before) * cost == found.evaluations - 12 * 3 * cost


@pytest.mark.parametrize("method", [Evolving(8, 3), Refining(8, 3)], ids=lambda one: one.name)
def test_a_seed_decides_and_an_interruption_loses_nothing(method, tmp_path):
    law = wb.characters.ellipse(VP)

    def run(method, measure=None, seed=5):
        return grid(law, UniPC, 5, method=method, samples=4, candidates=20, generator=rng(seed), measure=measure)

    whole, other = run(method), run(method, seed=6)
    assert run(method).times == whole.times and other.times != whole.times
    asked = []

    def impatient(x, truth):
        asked.append(1)
        if len(asked) == 22:  # after the seven usual grids, the start and some generations
            raise KeyboardInterrupt
        return wb.metrics.relative_error(x, truth)

    kept = replace(method, checkpoint=tmp_path / "kept.pt")
    stopped = run(kept, impatient)
    assert stopped.interrupted and 1 < len(stopped.history) < 9
    assert stopped.fitness == stopped.history[-1] == whole.history[len(stopped.history) - 1]
    resumed = run(kept)
    assert resumed.times == whole.times and resumed.history == whole.history and not resumed.interrupted
    with pytest.raises(CheckpointError, match="another search"):
        run(kept, seed=6)


def test_bad_input(unit, ring):
    noise = torch.zeros(2, 2).double()
    both = {"noise": noise, "held_out": noise}
    for wrong, error, words in [
        ({"method": "guessing"}, ValueError, "there are dynamic programming"),
        ({"method": Evolving}, TypeError, "method"),
        ({"held_out": torch.zeros(2, 3).double(), "noise": noise}, (ValueError, TypeError), "shape"),
        ({}, TypeError, "generator"),
        ({"method": "evolution", **both}, TypeError, "draws"),
        ({"candidates": 3, **both}, ValueError, "more candidates"),
        ({"candidates": [1.0, 0.5, 0.2, 0.1, 0.05, 0.01], **both}, ValueError, "same ends"),
        ({"method": Refining(begin=[1.0, 0.5, 1e-3]), "generator": rng(), **both}, ValueError, "6 times"),
        ({"teacher": wb.solvers.Heun(), **both}, ValueError, "once a step"),
        ({"method": ErrorDensity(order=6), "candidates": 6, **both}, ValueError, "needs more than 7"),
    ]:
        with pytest.raises(error, match=words):
            grid(ring, UniPC, 5, **wrong)
    with pytest.raises(ValueError, match="stochastic"):
        grid(unit, wb.solvers.DDPM(), 5, **both)
    with pytest.raises(TypeError, match="DDIM"):
        grid(unit, wb.solvers.DDIM, 5, **both)
    with pytest.raises(ValueError, match="does not know the shape"):
        grid(Hidden(ring), UniPC, 5, generator=rng())
    for make, words in [
        (lambda: DynamicProgramming(metric="l3"), "l3"),
        (lambda: DynamicProgramming(gamma=0.0), "gamma"),
        (lambda: DynamicProgramming(metric="deviation"), "carry=None"),
        (lambda: ErrorDensity(order=0), "whole number"),
        (lambda: ErrorDensity(carry="far"), "spread"),
        (lambda: ErrorDensity(floor=1.0), "floor"),
        (lambda: Evolving(skipped=-1), "skipped"),
        (lambda: Refining(offspring=0), "offspring"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()
