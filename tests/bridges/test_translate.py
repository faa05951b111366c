"""Translation and its inverse, the noise between, and a conditional diffusion that is the same thing."""

import pytest
import torch
from pairs import gaussian_pairs, mixture_pairs

import workbench as wb
from workbench.bridges import DBIM, Bridge, between, encode, translate


def test_a_bridge_is_a_conditional_diffusion_in_other_coordinates(rng):
    """At equal log-SNR the denoiser bound to x_T on VP is the same function, and so is what every solver makes of it."""
    schedule, vp = Bridge(), wb.schedules.VP()
    pairs = mixture_pairs(schedule)
    _, end = pairs.sample(6, generator=rng, dtype=torch.float64)
    bound, y = pairs.given(end), torch.randn(6, 2, generator=rng, dtype=torch.float64)
    grid = wb.grids.log_snr(schedule, 9, 0.999, 0.01)
    there = vp.inverse_log_snr(torch.tensor([schedule.log_snr(t) for t in grid.tolist()], dtype=torch.float64))
    for solver in (DBIM(order=3), wb.solvers.UniPC(), wb.solvers.Heun()):
        on_bridge = wb.solve(bound, y, grid, solver).x
        on_vp = wb.solve(bound.on(vp), y, there, solver).x
        assert torch.allclose(on_bridge, on_vp, rtol=1e-9, atol=1e-11)


def test_law_of_the_translation(rng):
    """For jointly Gaussian pairs, end points from their law are carried to clean samples whose joint law with them is right."""
    schedule = Bridge()
    pairs = gaussian_pairs(schedule)
    _, end = pairs.sample(20_000, generator=rng, dtype=torch.float64)
    for solver in (DBIM(order=3), DBIM(order=1, eta=1.0)):
        run = translate(pairs, end, wb.grids.log_snr(schedule, 120, 1.0, 0.0), solver, generator=rng)
        found = torch.cat([run.x, end], 1)
        assert torch.allclose(found.T.cov(), pairs.covariance.matrix(), rtol=0.06, atol=0.12)
        assert torch.allclose(found.mean(0), pairs.mean.flatten(), atol=0.06)


@pytest.mark.parametrize(("solver", "order"), [(DBIM(order=1), 1), (DBIM(order=2), 2)])
def test_encoding_and_translating_back(solver, order, rng):
    schedule = Bridge()
    pairs = gaussian_pairs(schedule)
    x0, end = pairs.sample(8, generator=rng, dtype=torch.float64)
    gaps = []
    for n in (40, 80, 160):
        grid = wb.grids.log_snr(schedule, n, 1.0)
        back = encode(pairs, x0, end, grid, solver)
        again = translate(pairs, end, grid, solver, noise=back.x)
        gaps.append((again.x - x0).norm(dim=1).mean().item())
        assert back.evaluations == again.evaluations == n
    assert wb.metrics.fitted_order((40, 80, 160), gaps).order > order - 0.2
    assert gaps[-1] < 0.2


def test_the_noise_of_a_translation_is_found_again(rng):
    schedule = Bridge()
    pairs = mixture_pairs(schedule)
    _, end = pairs.sample(8, generator=rng, dtype=torch.float64)
    noise = torch.randn(8, 2, generator=rng, dtype=torch.float64)
    grid = wb.grids.log_snr(schedule, 150, 1.0)
    made = translate(pairs, end, grid, DBIM(order=3), noise=noise)
    found = encode(pairs, made.x, end, grid, DBIM(order=3))
    assert (found.x - noise).norm(dim=1).median() < 1e-2


def test_trajectories_start_at_the_end_point(rng):
    schedule = Bridge()
    pairs = gaussian_pairs(schedule)
    _, end = pairs.sample(4, generator=rng)
    run = translate(pairs, end, wb.grids.log_snr(schedule, 5, 1.0, 0.0), generator=rng, trajectory=True)
    assert run.xs.shape == (6, 4, 2) and torch.equal(run.xs[0], end) and torch.equal(run.xs[-1], run.x)
    assert run.x.dtype == torch.float32 and wb.cite(run).count("zheng2025dbim") >= 1


def test_between_two_noises_is_noise(rng):
    first, second = torch.randn(2, 20_000, 1, generator=rng)
    assert torch.equal(between(first, second, 0), first)
    assert torch.allclose(between(first, second, 1), second, atol=1e-6)
    for share in (0.3, 0.5, 0.8):
        assert between(first, second, share).var().item() == pytest.approx(1.0, abs=0.04)
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\]"):
        between(first, second, 1.2)


def test_bad_calls_are_refused(rng):
    schedule = Bridge()
    pairs = gaussian_pairs(schedule)
    x0, end = pairs.sample(4, generator=rng)
    grid = wb.grids.log_snr(schedule, 5, 1.0, 0.0)
    with pytest.raises((ValueError, TypeError), match="bridge schedule|Pinned|type hint"):
        translate(wb.characters.ring(wb.schedules.VP()), end, grid, generator=rng)
    with pytest.raises(TypeError, match="takes no condition"):
        translate(wb.gaussian.GaussianDenoiser(torch.zeros(2), 1.0, schedule), end, grid, generator=rng)
    with pytest.raises(ValueError, match="translate"):
        translate(pairs, end, grid)
    with pytest.raises((ValueError, TypeError), match="each sample needs an end point|type hint"):
        translate(pairs, end, grid, noise=end[:2])
    with pytest.raises(ValueError, match="decreasing grid"):
        translate(pairs, end, grid.flip(0)[1:-1], generator=rng)
    with pytest.raises(ValueError, match="grid from T"):
        encode(pairs, x0, end, wb.grids.log_snr(schedule, 5))
    with pytest.raises(ValueError, match="stochastic"):
        encode(pairs, x0, end, grid, DBIM(order=1, eta=1.0))
