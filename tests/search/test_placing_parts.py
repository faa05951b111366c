"""What the proposals are made of: the teacher, the errors of single steps and what becomes of them, densities, and skipped blocks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.search import DynamicProgramming, ErrorDensity, Evolving, Stepwise, all_directions, equal_shares, grid, teach
from workbench.search.placing.carrying import carried, spreads

VP, VE = wb.schedules.VP(), wb.schedules.VE()
DDIM, UniPC = wb.solvers.DDIM(), wb.solvers.UniPC()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(schedule, count=5, dim=2):
    return schedule.prior((count, dim), schedule.t_first, generator=rng(1)).double()


class Hidden(wb.Denoiser):
    """A law that can only be asked."""

    def __init__(self, law, predicts):
        self.law, self.schedule, self.predicts = law, law.schedule, predicts

    def predict(self, x, t):
        return self.law.face(self.predicts, x, t)


@pytest.mark.parametrize("solver", [UniPC, wb.solvers.IPNDM()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("predicts", ["data", "noise", "velocity"])
@pytest.mark.parametrize("stop", [0.0, 0.01])
def test_the_teacher_writes_down_the_answers_at_its_states(solver, predicts, stop):
    law = wb.characters.ring(VP)
    times = wb.grids.karras(VP, 12, stop=stop)
    taught = teach(Hidden(law, predicts), noise(VP), times, solver)
    assert taught.evaluations == 12 and taught.states.shape == (13, 5, 2) and taught.answers.shape == (12, 5, 2)
    for x, t, answer in zip(taught.states, times.tolist(), taught.answers, strict=False):
        torch.testing.assert_close(answer, law.data(x, t), rtol=1e-8, atol=1e-8)
    assert torch.equal(taught.states[-1], wb.solve(Hidden(law, predicts), noise(VP), times, solver).x)


@pytest.mark.parametrize("schedule", [VP, VE], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("metric", ["l2", "l1", "deviation"])
def test_costs_are_the_errors_of_real_steps(schedule, metric):
    law = wb.characters.ring(schedule)
    times = wb.grids.karras(schedule, 6, stop=0.0)
    taught = teach(Hidden(law, "noise"), noise(schedule), times, UniPC)
    costs = DynamicProgramming(metric=metric, carry=None).costs(taught, schedule)
    assert costs.tril().count_nonzero() == 0
    for i, j in ((0, 1), (0, 6), (2, 4), (4, 6), (5, 6)):
        student = wb.solve(law, taught.states[i], [taught.times[i], taught.times[j]], DDIM).x
        shrink = schedule.alpha(taught.times[j])
        gap = (student - taught.states[j]) / shrink
        if metric == "l2":
            expected = gap.square().mean(1).sqrt().mean()
        elif metric == "l1":
            expected = gap.abs().mean()
        else:
            begin, end = taught.states[0] / schedule.alpha(taught.times[0]), taught.states[-1]
            chord = end - begin
            normal = torch.stack([-chord[:, 1], chord[:, 0]], 1) / chord.norm(dim=1, keepdim=True)  # in the plane
            far = [((x / shrink - begin) * normal).sum(1).abs() / math.sqrt(2) for x in (student, taught.states[j])]
            expected = (far[0] - far[1]).abs().mean()
        assert float(costs[i, j]) == pytest.approx(float(expected), rel=1e-7, abs=1e-11)


def test_on_the_unit_gaussian_a_step_costs_one_minus_a_cosine():
    law = wb.gaussian.GaussianDenoiser(torch.zeros(2).double(), torch.ones(2).double(), VP)
    times = wb.grids.log_snr(VP, 9)
    taught = teach(law, noise(VP), times, UniPC)
    angle = torch.tensor([math.atan2(VP.sigma(t), VP.alpha(t)) for t in times.tolist()], dtype=torch.float64)
    size = float(taught.states[0].square().mean(1).sqrt().mean())
    expected = (size * (1 - torch.cos(angle[:, None] - angle))).triu(1)
    torch.testing.assert_close(DynamicProgramming().costs(taught, VP), expected, rtol=1e-9, atol=1e-12)


def test_an_error_is_carried_as_the_flow_carries_it():
    law = wb.characters.ellipse(VP)
    taught = teach(law, noise(VP, 40), wb.grids.karras(VP, 8), UniPC)
    errors = torch.randn(3, 40, 2, generator=rng(4), dtype=torch.float64)
    t, stop = taught.times[3], taught.times[-1]
    moved = law.flow(taught.states[3] + errors[1], t, stop) - law.flow(taught.states[3], t, stop)
    torch.testing.assert_close(carried(errors, taught, 3, law)[1], moved)
    assert torch.equal(carried(errors, taught, 8, law), errors) and torch.equal(carried(errors, taught, 3, None), errors)
    round_law = wb.gaussian.GaussianDenoiser(torch.ones(2).double(), 4 * torch.ones(2).double(), VP)
    taught = teach(round_law, noise(VP), wb.grids.karras(VP, 8), UniPC)
    torch.testing.assert_close(carried(errors[:, :5], taught, 3, "spread"), carried(errors[:, :5], taught, 3, round_law))
    assert float(spreads(taught)[-1]) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(st.floats(0.01, 3), st.floats(0.01, 9)), min_size=2, max_size=9))
def test_shares_are_equal(n, points):
    clock = torch.tensor([gap for gap, _ in points], dtype=torch.float64).cumsum(0)
    density = torch.tensor([value for _, value in points], dtype=torch.float64)
    places = equal_shares(clock, density, n)
    assert len(places) == n + 1 and (places[0], places[-1]) == (clock[0], clock[-1])

    def total(place):
        cell = min(int(torch.searchsorted(clock, place, right=True)) - 1, len(clock) - 2)
        part = (place - clock[cell]) / (clock[cell + 1] - clock[cell])
        here = density[cell] + part * (density[cell + 1] - density[cell])
        return float(torch.trapezoid(density[: cell + 1], clock[: cell + 1]) + (place - clock[cell]) * (density[cell] + here) / 2)

    shares = torch.tensor([total(place) for place in places]).diff()
    torch.testing.assert_close(shares, shares.mean().expand(n), rtol=1e-6, atol=1e-9)


def test_the_density_of_the_unit_gaussian():
    law = wb.gaussian.GaussianDenoiser(torch.zeros(2).double(), torch.ones(2).double(), VP)
    taught = teach(law, noise(VP), wb.grids.log_snr(VP, 400), UniPC)
    _, density = ErrorDensity(floor=0.0).density(taught, VP, 1)
    exact = torch.tensor([VP.alpha(t) * VP.sigma(t) for t in taught.times], dtype=torch.float64)
    torch.testing.assert_close(density[1:-1] / density[200], exact[1:-1] / exact[200], rtol=2e-3, atol=0)
    assert ErrorDensity(order=2).density(taught, VP, 1)[1][200] != density[200]
    point = wb.gaussian.GaussianDenoiser(torch.ones(2).double(), torch.full((2,), 1e-300).double(), VP)
    lam = torch.tensor([VP.log_snr(t) for t in grid(point, DDIM, 4, method="error density", generator=rng())])
    assert float((lam.diff() / lam.diff().mean() - 1).abs().max()) < 1e-6, "no error anywhere: equal steps"


@pytest.mark.parametrize("solver", [DDIM, UniPC, wb.solvers.DPMSolverPP2M()], ids=lambda one: type(one).__name__)
def test_all_directions_give_the_expected_error_exactly(solver):
    vectors = torch.linalg.qr(torch.randn(5, 2, generator=rng(2), dtype=torch.float64))[0]
    low = wb.gaussian.LowRank(vectors, torch.tensor([3.0, 0.5]).double(), 0.1)  # three directions share the floor
    law = wb.gaussian.GaussianDenoiser(torch.zeros(5).double(), low, VP)
    directions, start = all_directions(law)
    times = wb.grids.log_snr(VP, 6)
    stop = float(times[-1])
    basis = torch.linalg.qr(torch.randn(5, 5, generator=rng(3), dtype=torch.float64))[0] * VP.sigma(1.0)
    one, every = (
        (model.flow(x, 1.0, stop).square().sum(), (wb.solve(model, x, times, solver).x - model.flow(x, 1.0, stop)).square().sum())
        for model, x in ((directions, start), (law, basis))
    )
    assert start.shape == (1, 3)
    torch.testing.assert_close(one, every, rtol=1e-9, atol=0)  # the traces of two covariances: of the ends and of the errors


@pytest.fixture(scope="module")
def network():
    net = wb.nets.DiT(patch=2, width=8, depth=2, heads=2, emb=8, side=8, generator=rng(5))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=rng(6)))
    return wb.NetworkDenoiser(net.requires_grad_(False), wb.schedules.Rectified(), "velocity")


def test_every_step_asks_its_own_model():
    laws = [wb.characters.ellipse(VP), wb.characters.ring(VP), wb.characters.ellipse(VP)]
    steps, x = Stepwise([1.0, 0.5, 0.2], laws), noise(VP)
    for t, law in ((1.0, laws[0]), (0.51, laws[0]), (0.5, laws[1]), (0.3, laws[1]), (0.2, laws[2]), (0.01, laws[2])):
        assert torch.equal(steps.data(x, t), law.data(x, t)), t
    same = Stepwise([1.0, 0.5, 0.2], [laws[1]] * 3)
    times = [1.0, 0.5, 0.2, 0.01]
    assert torch.equal(wb.solve(same, x, times, UniPC).x, wb.solve(laws[1], x, times, UniPC).x)
    with pytest.raises(ValueError, match="one time for the whole batch"):
        steps.data(x, torch.full((5,), 0.5).double())
    with pytest.raises(ValueError, match="one for each"):
        Stepwise([1.0, 0.5], laws)


def test_blocks_are_left_out_and_none_is_lost(network):
    start = torch.randn(2, 3, 8, 8, generator=rng(7))
    about = {"noise": start, "held_out": start.flip(0), "start": 1.0, "stop": 0.0, "candidates": 10}
    found = grid(network, DDIM, 3, method=Evolving(6, 3, skipped=2), generator=rng(8), **about)
    assert len(found.skipped) == 3 and sum(map(len, found.skipped)) == 2 and len(found) == 4
    end = wb.solve(found.model, start, found, DDIM).x
    truth = teach(network, start, wb.grids.karras(network.schedule, 10, 1.0, 0.0), UniPC).states[-1]
    assert found.fitness == pytest.approx(wb.metrics.relative_error(end, truth))
    assert not torch.equal(end, wb.solve(network, start, found, DDIM).x)
    torch.testing.assert_close(wb.solve(found.model, start[:1], found, DDIM).x, end[:1])
    own = {weight.data_ptr() for weight in network.net.parameters()}
    assert all(weight.data_ptr() in own for model in found.model.models for weight in model.net.parameters())
    again = grid(network, DDIM, 3, method=Evolving(6, 3, skipped=2), generator=rng(8), **about)
    assert (again.times, again.skipped) == (found.times, found.skipped)
    with pytest.raises(ValueError, match="blocks together"):
        grid(network, DDIM, 3, method=Evolving(6, 3, skipped=7), generator=rng(8), **about)
    with pytest.raises(TypeError, match="network"):
        grid(wb.characters.ellipse(VP), DDIM, 3, method=Evolving(6, 3, skipped=1), samples=2, generator=rng(8))
