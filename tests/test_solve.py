"""The sampling loop: what it returns, who draws, what it keeps, and what it refuses."""

import dataclasses
import itertools

import pytest
import torch
from helpers import MEAN, SCHEDULES, SHIFTED, T1, Mixture, label, name
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench import solvers
from workbench.schedules import VE, VP, Cosine, Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
every_solver = pytest.mark.parametrize("solver", solvers.ALL, ids=label)


def generators(n: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 + i) for i in range(n)]


def start(schedule, t: float, batch: int = 4, dtype=torch.float64) -> torch.Tensor:
    return schedule.prior((batch, 2, 3), t, generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.mark.parametrize("schedule", [VP(), Rectified()], ids=name)
@every_solver
def test_a_sample_does_not_depend_on_its_batch(solver, schedule) -> None:
    """What could couple samples is a method's step and its draws, which see a schedule only through the floats of a plan: one schedule
    with a finite start and one with a singular start (where ``solve`` takes the first step) are enough."""
    grid = wb.grids.log_snr(schedule, 5, stop=0.0)
    x, model = start(schedule, grid[0].item()), Mixture(schedule)
    together = wb.solve(model, x, grid, solver, generator=generators(4)).x
    for i in (0, 2):
        alone = wb.solve(model, x[i : i + 1], grid, solver, generator=generators(4)[i : i + 1]).x
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-12, atol=1e-13)


@every_solver
def test_runs_repeat_and_touch_nothing(solver) -> None:
    """The same generator gives the same bits; the state handed in and the global random state stay as they were."""
    grid, model = wb.grids.karras(VP(), 6, stop=0.0), Mixture(VP())
    x = start(VP(), 1.0)
    before, world = x.clone(), torch.get_rng_state()
    one, two, other = (wb.solve(model, x, grid, solver, generator=torch.Generator().manual_seed(seed)).x for seed in (3, 3, 4))
    assert torch.equal(one, two) and torch.equal(x, before) and torch.equal(torch.get_rng_state(), world)
    assert torch.equal(one, other) != solver.stochastic


@every_solver
def test_precisions(solver) -> None:
    """float32 follows float64 on the same draws; bfloat16 and float16 states are sampled in float32."""
    grid, model = wb.grids.log_snr(VP(), 12, stop=0.0), Mixture(VP(), T1, "noise")
    x = start(VP(), 1.0, dtype=torch.float32)
    runs = {
        dtype: wb.solve(model, x.to(dtype), grid, solver, generator=torch.Generator().manual_seed(3)).x
        for dtype in (torch.float64, torch.float32)
    }
    torch.testing.assert_close(runs[torch.float32].double(), runs[torch.float64], rtol=0, atol=3e-3)
    for dtype in (torch.bfloat16, torch.float16):
        half = wb.solve(model, x.to(dtype), grid, solver, generator=torch.Generator().manual_seed(3), trajectory=True)
        full = wb.solve(model, x.to(dtype).float(), grid, solver, generator=torch.Generator().manual_seed(3))
        assert half.x.dtype == half.xs.dtype == dtype and torch.equal(half.x, full.x.to(dtype))


@every_solver
@pytest.mark.parametrize("schedule", [VP(), Rectified()], ids=name)
def test_trajectory_callback_and_solution(solver, schedule) -> None:
    first = 1.0
    grid, seen = wb.grids.log_snr(schedule, 5, first, 0.0), []
    x, model = start(schedule, first), Mixture(schedule)
    run = wb.solve(
        model,
        x,
        grid,
        solver,
        generator=generators(4),
        trajectory=True,
        callback=lambda i, t, state: seen.append((i, t, state.clone())),
    )
    assert run.xs.shape == (6, 4, 2, 3) and torch.equal(run.xs[0], x) and torch.equal(run.xs[-1], run.x)
    assert [(i, t) for i, t, _ in seen] == list(enumerate(grid[1:].tolist()))
    assert torch.equal(torch.stack([state for *_, state in seen]), run.xs[1:])
    assert torch.equal(run.grid, grid) and run.grid.dtype == torch.float64 and run.solver is solver
    plain = wb.solve(model, x, grid.tolist(), solver, generator=generators(4))
    assert plain.xs is None and torch.equal(plain.x, run.x) and run.network_calls == run.evaluations == plain.evaluations
    assert dataclasses.is_dataclass(run)


@given(points=st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=9, unique=True), to_zero=st.booleans())
def test_any_grid_composes(points, to_zero) -> None:
    """Running to a point and going on from it is running through it, for methods that keep no memory."""
    grid = sorted(points, reverse=True)
    if min(a - b for a, b in itertools.pairwise(grid)) < 1e-6:
        return
    grid, model, x = grid + [0.0] * to_zero, Mixture(VP()), start(VP(), grid[0], batch=1)
    for solver in (solvers.DDIM(), solvers.Heun()):
        whole = wb.solve(model, x, grid, solver, trajectory=True)
        assert bool(whole.x.isfinite().all()) and len(whole.xs) == len(grid)
        if len(grid) > 2:
            middle = wb.solve(model, x, grid[:2], solver).x
            torch.testing.assert_close(wb.solve(model, middle, grid[1:], solver).x, whole.x, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("schedule", [Cosine(), Rectified()], ids=name)
def test_the_first_step_from_no_signal(schedule) -> None:
    """x <- (sigma_s / sigma_t) x + alpha_s data; then as if the run had started there."""
    model, x = Mixture(schedule, SHIFTED), start(schedule, 1.0)  # x_1 says nothing about the data but their mean
    after = schedule.sigma(0.6) * x + schedule.alpha(0.6) * MEAN
    for solver in (solvers.DDIM(), solvers.Heun(), solvers.RK4()):
        run = wb.solve(model, x, [1.0, 0.6, 0.3, 0.0], solver, trajectory=True)
        torch.testing.assert_close(run.xs[1], after, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(run.x, wb.solve(model, after, [0.6, 0.3, 0.0], solver).x, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(wb.solve(model, x, [1.0, 0.0], solver).x, torch.full_like(x, MEAN), rtol=0, atol=1e-12)


@every
def test_the_last_step_is_the_data_prediction(schedule) -> None:
    grid = wb.grids.karras(schedule, 4, stop=0.0)
    x, model = start(schedule, grid[0].item()), Mixture(schedule)
    for solver in (s for s in solvers.ALL if not s.stochastic and not s.regular_ends(schedule)):
        run = wb.solve(model, x, grid, solver, trajectory=True)
        torch.testing.assert_close(run.x, model.answer("data", run.xs[-2], grid[-2].item()), rtol=1e-12, atol=1e-13)


@every_solver
def test_gradients_flow_through_a_run(solver) -> None:
    """d(sum x)/d(strength of the network) and d(sum x)/dx, against central differences."""

    def end(strength, x):
        net = wb.NetworkDenoiser(lambda y, t: torch.tanh(strength * y), VP(), predicts="data")
        grid = [0.9, 0.6, 0.2, 0.0]
        return wb.solve(net, x, grid, solver, generator=torch.Generator().manual_seed(0), differentiable=True).x.sum()

    strength = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    x = start(VP(), 0.9, batch=2).requires_grad_()
    by_strength, by_x = torch.autograd.grad(end(strength, x), (strength, x))
    h, bump = 1e-5, torch.zeros_like(x)
    bump[1, 0, 2] = 1e-5
    with torch.no_grad():
        assert by_strength.item() == pytest.approx(((end(strength + h, x) - end(strength - h, x)) / (2 * h)).item(), rel=1e-6)
        assert by_x[1, 0, 2].item() == pytest.approx(
            ((end(strength, x + bump) - end(strength, x - bump)) / (2 * h)).item(), rel=1e-5
        )
    net = wb.NetworkDenoiser(lambda y, t: torch.tanh(strength * y), VP(), predicts="data")
    assert not wb.solve(net, x, [0.9, 0.2], solver, generator=torch.Generator()).x.requires_grad


def test_guided_runs_cost_two() -> None:
    model = wb.Guided(Mixture(VP()), Mixture(VP(), ((1.0,), (0.0,), (1.0,))), 3.0)
    run = wb.solve(model, start(VP(), 1.0), wb.grids.log_snr(VP(), 4, stop=0.0), solvers.Heun())
    assert run.evaluations == 7 and run.model_cost == 2 and run.network_calls == 14


def test_progress(capsys) -> None:
    wb.solve(Mixture(VP()), start(VP(), 1.0), [1.0, 0.5, 0.0], solvers.DDIM(), progress=True)
    assert "DDIM" in (shown := capsys.readouterr().err) and "2/2" in shown
    wb.solve(Mixture(VP()), start(VP(), 1.0), [1.0, 0.5, 0.0], solvers.DDIM())
    assert not capsys.readouterr().err


def test_the_model_is_not_called_before_the_checks() -> None:
    def never(x, t):
        raise AssertionError("called")

    net = wb.NetworkDenoiser(never, VP())
    with pytest.raises(ValueError, match="decrease strictly"):
        wb.solve(net, torch.ones(1, 2), [0.5, 0.5], solvers.DDIM())


@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (ValueError, "decrease strictly from noise to data", {"grid": [0.9, 0.95, 0.1]}),
        (ValueError, "decrease strictly", {"grid": [0.9, float("nan")]}),
        (ValueError, "decrease strictly", {"grid": [float("nan"), 0.5, 0.1]}),
        (ValueError, "decrease strictly", {"model": Mixture(VE()), "grid": [float("inf"), 1.0, 0.1]}),
        (ValueError, "at least two times, got shape", {"grid": [0.9]}),
        (ValueError, r"covers \[0.1, 1.5\], but VP is defined on \[0, 1.0\]", {"grid": [1.5, 0.1]}),
        (ValueError, r"covers \[-0.1", {"grid": [0.5, -0.1]}),
        (ValueError, "increases from 0, where sigma = 0; start the inversion at t_last", {"grid": [0.0, 0.5]}),
        (ValueError, "alpha = 0; stop the inversion at t_first", {"model": Mixture(Cosine()), "grid": [0.1, 1.0]}),
        (ValueError, "DDPM is stochastic; use a deterministic", {"grid": [0.1, 0.9], "solver": solvers.DDPM()}),
        (ValueError, "DDPM draws noise, and got generator=None", {"solver": solvers.DDPM(), "generator": None}),
        (ValueError, "3 generators for a batch of 1", {"solver": solvers.DDPM(), "generator": generators(3)}),
        (TypeError, r"generator", {"solver": solvers.DDPM(), "generator": 3}),
        (TypeError, r"class DDIM; pass an instance: DDIM\(\)|solver", {"solver": solvers.DDIM}),
        (TypeError, r"wb\.solvers\.ALL|solver", {"solver": "ddim"}),
        (ValueError, r"x\[None\]", {"x": torch.ones(3)}),
        (TypeError, "floating-point|parameter x=", {"x": torch.ones(2, 2, dtype=torch.int64)}),
        (TypeError, "floating-point|parameter x=", {"x": [[1.0, 2.0]]}),
    ],
)
def test_messages(error, message, change) -> None:
    """Some mistakes are caught by the shape and type annotations first, while testing; their message names the argument."""
    call = {"model": Mixture(VP()), "x": torch.ones(1, 2), "grid": [0.9, 0.1], "solver": solvers.DDIM()}
    call |= {"generator": torch.Generator()} | change
    generator = call.pop("generator")
    with pytest.raises(error, match=message):
        wb.solve(*call.values(), generator=generator)


def test_the_messages_behind_the_annotations() -> None:
    """The same checks as a user meets them, without a type checker in front."""
    from workbench.draws import check_generators
    from workbench.solution import check_state
    from workbench.solve import _checked_solver, check_grid

    for error, message, check in (
        (TypeError, r"the class DDIM; pass an instance: DDIM\(\)", lambda: _checked_solver(solvers.DDIM)),
        (TypeError, r"must have plan\(\) and step\(\), got str", lambda: _checked_solver("ddim")),
        (TypeError, "floating-point tensor .* got dtype torch.int64", lambda: check_state(torch.ones(2, 2, dtype=torch.int64))),
        (TypeError, "got list", lambda: check_state([[1.0]])),
        (ValueError, "1-D tensor of at least two times", lambda: check_grid([[0.9, 0.1]], VP(), solvers.DDIM())),
        (ValueError, "got shape", lambda: check_state(torch.ones(3))),
    ):
        with pytest.raises(error, match=message):
            check()
    with pytest.raises(ValueError, match="2 generators for a batch of 3"):
        check_generators(generators(2), 3, "DDPM")
