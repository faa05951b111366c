"""The accuracy benchmark at toy size: its laws are the laws they claim to be, its errors are errors, its bills are right."""

import json
import math

import pytest
import torch

import workbench as wb
from benchmarks import accuracy, laws
from benchmarks.peers import drive, label, options, peer

VP = wb.schedules.VP()
GRIDS = (wb.grids.log_snr, wb.grids.uniform)


@pytest.fixture(scope="module")
def discrete():
    return wb.schedules.DiscreteVP.linear()


def test_the_eigenbasis_gives_the_error_of_the_pictures():
    law, x = wb.characters.cifar10(VP), wb.characters.nine(VP, dtype=torch.float64)
    grid = wb.grids.log_snr(VP, 6, stop=0)
    run = wb.solve(law, x, grid, wb.solvers.DPMSolverPP2M())
    expected = (run.x - law.flow(x, 1.0, 0.0)).square().mean().sqrt().item()
    assert accuracy.path_error(laws.cifar10(VP), wb.solvers.DPMSolverPP2M(), grid) == pytest.approx(expected, rel=1e-9)


def test_a_tenfold_mixture_keeps_the_mean_and_differs_from_the_gaussian():
    problem, whole = laws.pictures(VP), laws.cifar10(VP)
    torch.testing.assert_close(problem.law.means.mean(0), whole.law.mean)
    values = whole.law.covariance.spectrum
    for covariance in problem.law.covariances:
        torch.testing.assert_close(covariance.spectrum[:24], values[:24] / 2)
        shares = covariance.spectrum[24:-2] / values[24:-2]
        assert 0.5 <= shares.min() < 0.6 and 1.4 < shares.max() <= 1.5
    x = problem.start(1.0)
    assert laws.rms(problem.law.data(x, 0.3) - whole.law.data(x, 0.3), problem.entries) > 0.01


def test_references_are_exact_where_the_flow_is_known():
    law = wb.characters.ellipse(VP)
    x = laws.draw(VP, (20, 2), 1.0)
    for stop in (0.0, VP.t_last):
        torch.testing.assert_close(laws.integrated(law, 1e-10, x, 1.0, stop), law.flow(x, 1.0, stop), rtol=1e-6, atol=1e-6)


def test_law_error_of_a_deterministic_method_is_its_path_error_on_average():
    """Where the map is increasing in every coordinate, Wasserstein-2 is the mean square distance over all starts."""
    problem, grid = laws.cifar10(VP, rank=8), wb.grids.log_snr(VP, 8, stop=0)  # so few vectors that the other directions count
    found = accuracy.law_error(problem, wb.solvers.DDIM(), grid)
    x = VP.sigma(1.0) * torch.randn(400, problem.law.dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gap = (wb.solve(problem.law, x, grid, wb.solvers.DDIM()).x - problem.law.flow(x, 1.0, 0.0)).square().mean(0)
    gap[-1] *= problem.entries - problem.law.dim + 1
    assert found == pytest.approx(math.sqrt(float(gap.sum()) / problem.entries), rel=0.02)


def test_law_error_of_a_stochastic_method_is_that_of_many_samples():
    problem, grid = laws.cifar10(VP), wb.grids.log_snr(VP, 6, stop=0)
    rng = torch.Generator().manual_seed(0)
    x = VP.sigma(1.0) * torch.randn(1500, problem.law.dim, generator=rng, dtype=torch.float64)
    y, exact = wb.solve(problem.law, x, grid, wb.solvers.DDPM(), generator=rng).x, problem.law.flow(x, 1.0, 0.0)
    gap = (y.mean(0) - exact.mean(0)).square() + (y.std(0) - exact.std(0)).square()
    gap[-1] *= problem.entries - problem.law.dim + 1
    expected = math.sqrt(float(gap.sum()) / problem.entries)
    assert accuracy.law_error(problem, wb.solvers.DDPM(), grid) == pytest.approx(expected, rel=0.03)


def test_schedulers_of_diffusers_agree_with_ours_where_the_grids_do(discrete):
    pytest.importorskip("diffusers")
    problem = laws.ring(discrete, samples=8)
    grid = wb.grids.uniform(discrete, 10, stop=0)
    for name, settings in (("DDIM", {"clip_sample": False}), ("EulerDiscrete", {})):
        theirs = drive(problem, name, 10, timestep_spacing="trailing", **settings)
        assert theirs == pytest.approx(accuracy.path_error(problem, wb.solvers.DDIM(), grid), rel=2e-3)
    grid = wb.grids.log_snr(discrete, 10, start=1.0, stop=0)
    theirs = drive(problem, "DPMSolverMultistep", 10, solver_order=2, use_exponential_sigmas=True)
    assert theirs == pytest.approx(accuracy.path_error(problem, wb.solvers.DPMSolverPP2M(), grid), rel=1e-3)


def test_no_scheduler_of_diffusers_overdraws_its_budget(discrete):
    pytest.importorskip("diffusers")
    problem = laws.ring(discrete, samples=2)
    finite = [drive(problem, name, 5, **spacing, **settings) for name, spacing, settings in options()]
    assert sum(error is not None and math.isfinite(error) for error in finite) > 50


def test_every_peer_exists():
    pytest.importorskip("diffusers")
    from benchmarks.peers import scheduler

    found = [peer(solver) for solver in wb.solvers.ALL]
    assert sum(one is not None for one in found) > 20
    for name, settings, _ in filter(None, found):
        scheduler(name, **settings).set_timesteps(10)


def test_tables_and_winners(discrete):
    methods = (wb.solvers.DDIM(), wb.solvers.DDPM(), wb.solvers.RK4())
    every = [(laws.ring(VP, samples=4), "path", ("0", "t_last")), (laws.cifar10(VP), "law", ("0",))]
    facts = accuracy.measure(every, methods, GRIDS, (2, 6), peers=False)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["methods"] == ["DDIM()", "DDPM()", "RK4()"] and facts["grids"] == ["log_snr", "uniform"]
    path, _, law = (entry["errors"] for entry in facts["tables"])
    assert path[1] == [[None, None]] * 2  # a stochastic method follows no path
    assert all(error is not None for error in law[1][0])
    grid = wb.solvers.grid_within(6, methods[0], VP, wb.grids.log_snr, start=1.0, stop=0.0)
    assert path[0][0][1] == accuracy.shortened(accuracy.path_error(every[0][0], methods[0], grid))
    rows = accuracy.best(facts)
    assert rows[0]["6"].startswith(f"{min(e[k][1] for e in path for k in (0, 1) if e[k][1] is not None):.2g} ")


def test_numbers_are_shortened_and_infinities_left_out():
    assert accuracy.shortened(0.0123456) == 0.0123 and accuracy.shortened(None) is None
    assert accuracy.shortened(math.inf) is None and accuracy.shortened(math.nan) is None


def test_labels_name_what_is_not_default():
    assert label(wb.solvers.DDIM()) == "DDIM()" and label(wb.solvers.DDIM(eta=0.5)) == "DDIM(eta=0.5)"


def test_the_shipped_table_is_of_this_package():
    facts = wb.artifacts.load("solver-accuracy")
    assert facts["budgets"] == list(accuracy.BUDGETS) and facts["grids"] == [grid.__name__ for grid in wb.grids.ALL]
    ours = {label(solver): solver for solver in wb.solvers.ALL}
    assert set(facts["methods"]) <= set(ours)
    entry = next(e for e in facts["tables"] if (e["law"], e["schedule"], e["error"], e["stop"]) == ("ring", "VP", "path", "0"))
    problem, wrong = laws.ring(VP), []
    for name in facts["methods"][:: max(len(facts["methods"]) // 12, 1)]:
        grid = wb.solvers.grid_within(8, ours[name], VP, wb.grids.karras, start=1.0, stop=0.0)
        kept = entry["errors"][facts["methods"].index(name)][facts["grids"].index("karras")][facts["budgets"].index(8)]
        now = None if grid is None else accuracy.shortened(accuracy.path_error(problem, ours[name], grid))
        wrong += [(name, kept, now)] if (kept is None) != (now is None) or (kept and abs(now / kept - 1) > 6e-3) else []
    assert not wrong
