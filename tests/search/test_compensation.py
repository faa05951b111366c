"""The ratios of DC-Solver: found three ways, never worse than 1, the same whenever they are looked for, and never lost."""

from dataclasses import replace

import pytest
import torch

import workbench as wb
from workbench.nets.training.checkpoint import CheckpointError
from workbench.search import compensation, trajectory
from workbench.search.compensating import Step, by_golden_section, by_gradient, in_closed_form
from workbench.search.teacher import finer
from workbench.solvers import DCSolver, UniPC

SCHEDULE = wb.schedules.VP()
RING = wb.characters.ring(SCHEDULE)
GUIDED = wb.Guided(RING.given(0), RING, 8.0)
GRID = wb.grids.log_snr(SCHEDULE, 6)
METHODS = ("gradient", "golden section", "closed form")


def noise(seed, n=24):
    return SCHEDULE.prior((n, 2), 1.0, generator=torch.Generator().manual_seed(seed)).double()


X, OTHER = noise(0), noise(1)


def search(model=GUIDED, grid=GRID, **settings):
    return compensation(model, grid, X, **({"held_out": OTHER, "iterations": 12, "refine": 8} | settings))


def error(model, solver, grid, x):
    return (wb.solve(model, x, grid, solver).x - trajectory(model, x, grid, refine=8)[0][-1]).square().mean().item()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", [GRID, wb.grids.log_snr(SCHEDULE, 6, stop=0.0)], ids=["stop", "zero"])
def test_it_never_gets_worse_and_says_what_it_found(method, grid) -> None:
    found = search(grid=grid, method=method)
    planned = 6 - int(grid[-1] == 0)
    assert len(found.ratios) == len(found.steps) == planned and found.ratios[:2] == (1.0, 1.0)
    assert all(after <= before for before, after in found.steps) and found.found <= found.plain
    assert found.held_out < found.held_out_plain / 4, "guided, six steps: compensation is what this is for"
    assert found.plain == pytest.approx(error(GUIDED, UniPC(2, corrector_from=1), grid, X), rel=1e-6)
    assert found.found == pytest.approx(error(GUIDED, found.solver, grid, X), rel=1e-6)
    assert found.held_out == pytest.approx(error(GUIDED, found.solver, grid, OTHER), rel=1e-6)
    assert found == search(grid=grid, method=method) and (found.backward > 0) == (method == "gradient")


def test_the_account() -> None:
    """Calls of the model, in network evaluations: every call is counted by the model itself."""
    calls = []

    class Watched(wb.Denoiser):
        schedule, predicts, cost = SCHEDULE, "data", 2

        def predict(self, x, t):
            calls.append(len(x))
            return GUIDED.data(x, t)

    for method in METHODS:
        calls.clear()
        found = search(Watched(), method=method, held_out=noise(1, 7))
        assert found.evaluations == 2 * sum(calls)


def step_of(i=3, grid=GRID):
    """The fourth step of a guided run, and where it should lead."""
    states, times, answers, x = trajectory(GUIDED, X, grid, refine=8)[0], grid.tolist(), (), X
    for k in range(i + 1):
        answers = (GUIDED.data(x, times[k]), *answers)
        step = Step(GUIDED, DCSolver(), times, k, x, answers, None)
        x = step.predicted(1.0)[0]
    return step, states[i + 1], x


def test_a_step_is_the_solvers_step() -> None:
    step, _, x = step_of()
    torch.testing.assert_close(x, wb.solve(GUIDED, X, GRID, DCSolver(), trajectory=True).xs[4], rtol=1e-10, atol=1e-10)
    moved = wb.solve(GUIDED, X, GRID, DCSolver((1.0, 1.0, 1.0, 0.6, 1.0, 1.0)), trajectory=True).xs[4]
    torch.testing.assert_close(step.predicted(0.6)[0], moved, rtol=1e-10, atol=1e-10)


def test_a_step_is_judged_after_its_correction() -> None:
    """In the words of the method: from the base point, with the model asked at the prediction, and the moved answer in its place."""
    step, teacher, plain = step_of()
    unipc, times = DCSolver().unipc, GRID.tolist()
    predict, correct = unipc.weights(SCHEDULE, times[3:1:-1], times[4]), unipc.corrected(SCHEDULE, times[3::-1], times[4], 3)
    base = (plain - sum(w * a for w, a in zip(predict.past, step.answers, strict=False))) / predict.x
    x, kept = step.predicted(0.7)
    answers = (GUIDED.data(x, times[4]), kept, step.answers[1])
    corrected = correct.x * base + sum(w * a for w, a in zip(correct.past, answers, strict=True))
    loss, calls = step.judged(0.7, teacher, None)
    assert calls == 1 and loss.item() == pytest.approx((corrected - teacher).square().mean().item(), rel=1e-8)


def test_with_and_without_gradients_they_agree() -> None:
    """The step's loss has one minimum here, and AdamW and the golden section find it."""
    step, teacher, _ = step_of()
    loss = lambda ratio: step.judged(ratio, teacher, None)[0]  # noqa: E731
    (by_search, worth), (by_descent, descended) = by_golden_section(loss, 40), by_gradient(loss, 200)
    assert by_search == pytest.approx(by_descent, abs=2e-3) and worth == pytest.approx(descended, rel=1e-4)
    assert worth < 0.5 * loss(1.0)
    assert loss(by_search - 0.01) > worth and loss(by_search + 0.01) > worth


def test_the_prediction_alone_needs_no_search() -> None:
    step, teacher, _ = step_of()
    loss = lambda ratio: (step.predicted(ratio)[0] - teacher).square().mean()  # noqa: E731
    ratios = in_closed_form(step, teacher)
    assert ratios and min(float(loss(ratio)) for ratio in ratios) <= min(float(loss(k / 50)) for k in range(-200, 300)) * (1 + 1e-9)
    ratio = torch.tensor(ratios[0], dtype=torch.float64, requires_grad=True)
    loss(ratio).backward()
    assert abs(ratio.grad.item()) < 1e-9


def test_the_golden_section_shrinks_as_it_should() -> None:
    asked = []

    def loss(ratio):
        asked.append(ratio)
        return (ratio - 0.3141) ** 2

    best, worth = by_golden_section(loss, 25)
    assert len(asked) == 25 and len(set(asked)) == 25 and worth == (best - 0.3141) ** 2
    assert abs(best - 0.3141) < 2 * ((5**0.5 - 1) / 2) ** 22
    assert by_golden_section(lambda ratio: abs(ratio - 1), 8) == (1.0, 0.0)


def test_it_survives_its_interruption(tmp_path) -> None:
    whole, path = search(), tmp_path / "in" / "ratios.pt"

    def stop(i, ratio):
        if i == 3:
            raise KeyboardInterrupt

    part = search(checkpoint=path, callback=stop)
    assert part.interrupted and part.ratios == (*whole.ratios[:4], 1.0, 1.0) and part.found <= part.plain
    assert search(checkpoint=path) == whole and search(checkpoint=path) == whole
    with pytest.raises(CheckpointError, match="iterations: the checkpoint has 12, you ask for 13"):
        search(checkpoint=path, iterations=13)
    with pytest.raises(CheckpointError, match="noise"):
        compensation(GUIDED, GRID, OTHER, held_out=X, iterations=12, refine=8, checkpoint=path)


def test_what_makes_the_end_worse_is_taken_back() -> None:
    """On the ring with ten steps the greedy ratios end farther from the truth than UniPC; what is returned does not."""
    grid = wb.grids.log_snr(SCHEDULE, 10)
    seen = {}
    found = search(RING, grid, callback=seen.__setitem__)
    greedy = replace(found.solver, ratios=tuple(seen[i] for i in range(10)))
    assert error(RING, greedy, grid, X) > found.plain >= found.found
    assert found.ratios != greedy.ratios


def test_a_start_without_signal() -> None:
    schedule = wb.schedules.Rectified()
    law, grid = wb.characters.ring(schedule), wb.grids.log_snr(schedule, 6, 1.0, 0.0)
    model = wb.Guided(law.given(0), law, 4.0)
    found = compensation(model, grid, X, held_out=OTHER, iterations=8)
    assert len(found.ratios) == 4 and found.held_out < found.held_out_plain
    run = wb.solve(model, X, grid, found.solver)
    assert run.evaluations == 6 and bool(run.x.isfinite().all())


def test_the_teacher_stands_at_the_points_of_the_grid() -> None:
    for grid in (GRID, wb.grids.karras(SCHEDULE, 4, stop=0.0), torch.tensor([0.9, 0.3, 0.0], dtype=torch.float64)):
        fine = finer(SCHEDULE, grid, 5)
        assert bool((fine.diff() < 0).all()) and set(grid.tolist()) <= set(fine.tolist())
        states, calls = trajectory(GUIDED, X, grid, refine=20)
        assert torch.equal(states[0], X) and calls == len(finer(SCHEDULE, grid, 20)) - 1
        twice = trajectory(GUIDED, X, grid, refine=40)[0]
        assert (states - twice).abs().max() < 1e-2


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"held_out": X}, ValueError, "held_out is x itself"),
        ({"held_out": torch.randn(3, 4, generator=torch.Generator().manual_seed(0))}, ValueError, "same shape"),
        ({"grid": GRID.flip(0)}, ValueError, "turn it around"),
        ({"first": 0}, ValueError, "at least 1"),
        ({"iterations": 3}, ValueError, "at least 4"),
        ({"refine": 0}, ValueError, "at least 1"),
        ({"model": RING.data}, TypeError, "Denoiser"),
    ],
)
def test_bad_input(change, error, says) -> None:
    with pytest.raises((error, TypeError), match=f"{says}|violates type hint"):
        search(**change)
