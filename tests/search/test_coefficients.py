"""Learned tables: what is learned is used, what must hold holds by construction, and an interrupted training loses nothing."""

import pytest
import torch

import workbench as wb
from workbench.nets.training.checkpoint import CheckpointError
from workbench.search import coefficients, trajectory
from workbench.search.coefficients import run
from workbench.search.teacher import distance
from workbench.search.triangle import Triangle
from workbench.solvers import DCSolver, DPMSolverPP2M, Tabulated, UniPC
from workbench.solvers.tabulated import planned_times

SCHEDULE = wb.schedules.VP()
RING, ELLIPSE = wb.characters.ring(SCHEDULE), wb.characters.ellipse(SCHEDULE)
GRID, TO_ZERO = wb.grids.log_snr(SCHEDULE, 4), wb.grids.log_snr(SCHEDULE, 5, stop=0.0)


def noise(seed, n=24, schedule=SCHEDULE):
    return schedule.prior((n, 2), schedule.t_first, generator=torch.Generator().manual_seed(seed)).double()


X, OTHER = noise(0), noise(1)


def learn(model=ELLIPSE, grid=GRID, **settings):
    return coefficients(model, grid, X, **({"held_out": OTHER, "iterations": 9, "refine": 6} | settings))


def error(model, solver, grid, x, given=GRID):
    return distance(wb.solve(model, x, grid, solver).x, trajectory(model, x, given, refine=6)[0][-1]).item()


@pytest.mark.parametrize("grid", [GRID, TO_ZERO], ids=["stop", "zero"])
@pytest.mark.parametrize("free", [{"weights": False}, {"times": False}, {}], ids=["times", "weights", "both"])
def test_it_learns_and_keeps_what_it_promised(grid, free) -> None:
    found = learn(grid=grid, **free)
    assert found.found < found.plain and found.held_out < 0.7 * found.held_out_plain
    assert found.found == min(found.history[1:]) or found.found == pytest.approx(min(found.history), rel=1e-6)
    assert found.plain == pytest.approx(error(ELLIPSE, UniPC(2), grid, X, grid), rel=1e-6)
    assert found.held_out == pytest.approx(error(ELLIPSE, found.solver, found.grid, OTHER, grid), rel=1e-6)
    assert bool((found.grid.diff() < 0).all()) and found.grid[0] == grid[0] and len(found.grid) == len(grid)
    assert found.grid[-1] == pytest.approx(grid[-1].item(), rel=1e-12)
    assert torch.equal(found.grid, grid) == (free == {"times": False})
    run = wb.solve(ELLIPSE, X, found.grid, found.solver)
    assert run.evaluations == len(grid) - 1
    point = wb.gaussian.GaussianDenoiser(torch.full((2,), 0.7).double(), 1e-12, SCHEDULE)
    ends = wb.solve(point, X, found.grid, found.solver).x
    a, b = (SCHEDULE.alpha(float(grid[-1])), SCHEDULE.sigma(float(grid[-1])))
    wanted = a * 0.7 + b * (X - SCHEDULE.alpha(1.0) * 0.7) / SCHEDULE.sigma(1.0)
    torch.testing.assert_close(ends, wanted, rtol=0, atol=1e-5)


def test_the_same_call_learns_the_same() -> None:
    one, two = learn(), learn()
    assert one.solver == two.solver and one.history == two.history and one.evaluations == two.evaluations


@pytest.mark.parametrize(
    "solver", [UniPC(2), DPMSolverPP2M(face="noise"), DCSolver((1.0, 0.8, 0.9, 1.2))], ids=["unipc", "noise", "dc"]
)
def test_it_begins_with_the_solver(solver) -> None:
    triangle = Triangle(SCHEDULE, solver, planned_times(SCHEDULE, GRID), False, True, True)
    wanted = wb.solve(RING, X, GRID, solver).x
    torch.testing.assert_close(run(RING, triangle, triangle.start(), X, False), wanted, rtol=1e-9, atol=1e-10)
    table, times = triangle.solver_of(triangle.start())
    torch.testing.assert_close(wb.solve(RING, X, times, table).x, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("finish", [False, True])
def test_gradients_of_times_and_weights(finish) -> None:
    """Against differences of whole runs, away from the start."""
    triangle = Triangle(SCHEDULE, UniPC(2), planned_times(SCHEDULE, GRID), finish, True, True)
    draw = torch.Generator().manual_seed(2)
    free = [(0.1 * torch.randn(one.shape, generator=draw, dtype=torch.float64)).requires_grad_() for one in triangle.start()]
    loss = lambda free: run(RING, triangle, free, X, finish).square().mean()  # noqa: E731
    for k, gradient in enumerate(torch.autograd.grad(loss(free), free)):
        for place in range(len(free[k])):
            ends = []
            for sign in (1, -1):
                moved = [one.detach().clone() for one in free]
                moved[k][place] += sign * 1e-5
                ends.append(loss(moved).item())
            assert gradient[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=2e-4, abs=1e-7)


def test_the_account() -> None:
    calls = []

    class Watched(wb.Denoiser):
        schedule, predicts, cost = SCHEDULE, "data", 3

        def predict(self, x, t):
            calls.append(len(x))
            return ELLIPSE.data(x, t)

    found = coefficients(Watched(), TO_ZERO, X, held_out=noise(1, 7), iterations=3, refine=4)
    assert found.evaluations == 3 * sum(calls) and found.backward == 3 * 3 * 5 * len(X)


def test_it_survives_its_interruption(tmp_path) -> None:
    whole, path = learn(), tmp_path / "in" / "table.pt"

    def stop(k, loss):
        if k == 6:
            raise KeyboardInterrupt

    part = learn(checkpoint=path, save_every=5, callback=stop)
    assert part.interrupted and part.history == whole.history[:7] and part.found <= part.plain
    for _ in range(2):
        rest = learn(checkpoint=path, save_every=5)
        assert rest.solver == whole.solver and rest.history == whole.history and rest.evaluations == whole.evaluations
    with pytest.raises(CheckpointError, match="rate: the checkpoint has 0.03, you ask for 0.02"):
        learn(checkpoint=path, rate=0.02)


def test_a_start_without_signal() -> None:
    schedule = wb.schedules.Rectified()
    law, grid = wb.characters.ellipse(schedule), wb.grids.log_snr(schedule, 5, 1.0, 0.0)
    found = coefficients(law, grid, X, held_out=OTHER, iterations=10)
    assert found.grid[:2].tolist() == grid[:2].tolist() and found.held_out < found.held_out_plain
    assert wb.solve(law, X, found.grid, found.solver).evaluations == 5


def test_a_network_in_single_precision() -> None:
    net = wb.nets.MLP(2, generator=torch.Generator().manual_seed(0))
    model = wb.NetworkDenoiser(net, SCHEDULE, predicts="noise")
    found = coefficients(model, GRID, X.float(), held_out=OTHER.float(), iterations=6)
    assert found.found < found.plain and all(one.grad is None for one in net.parameters())


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"times": False, "weights": False}, ValueError, "nothing to learn"),
        ({"solver": wb.solvers.PNDM()}, TypeError, "one evaluation a step"),
        ({"solver": Tabulated.of(UniPC(2), SCHEDULE, GRID)}, ValueError, "times=False"),
        ({"iterations": 0}, ValueError, "at least 1"),
        ({"rate": -1.0}, ValueError, "positive"),
        ({"held_out": X}, ValueError, "held_out is x itself"),
    ],
)
def test_bad_input(change, error, says) -> None:
    with pytest.raises(error, match=says):
        learn(**change)


def test_a_table_can_be_learned_further() -> None:
    first = learn(iterations=6)
    more = learn(grid=first.grid, solver=first.solver, times=False, iterations=6)
    assert more.found <= first.found * (1 + 1e-6)
