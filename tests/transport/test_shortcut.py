"""The shortcut: the last steps from a stored latent, what they cost, and what they can produce."""

import pytest
import torch

import workbench as wb
from workbench.transport import SemiDiscrete, Shortcut, semi_discrete, stored_latents
from workbench.transport.ascent import Ascent

VP = wb.schedules.VP()
GRID = wb.grids.log_snr(VP, 8, 1.0, 0.0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count, generator):
    return torch.randn(count, 2, generator=generator, dtype=torch.float64)


def model():
    return wb.characters.ring(VP)


def stored(n=12, last=3):
    return stored_latents(model(), noise(n, seeded(1)), GRID, wb.solvers.DDIM(), last=last)


def fitted(latents):
    return semi_discrete(
        latents, noise, Ascent(samples=1000, tolerance=0.02, most=10_000, iterations=200), generator=seeded()
    ).transport


def test_latents_lie_on_the_way() -> None:
    kept = stored()
    whole = wb.solve(model(), noise(12, seeded(1)), GRID, wb.solvers.DDIM(), trajectory=True)
    torch.testing.assert_close(kept.latents, whole.xs[5], rtol=0, atol=1e-12)
    assert kept.grid.tolist() == GRID[5:].tolist() and kept.evaluations == 5


def test_without_noise_and_blends_the_outputs_are_the_stored_ones() -> None:
    kept = stored()
    shortcut, draws = Shortcut(fitted(kept.latents), kept.grid), noise(500, seeded(2))
    run = shortcut.sample(model(), draws, wb.solvers.DDIM())
    ends = wb.solve(model(), noise(12, seeded(1)), GRID, wb.solvers.DDIM()).x
    chosen = shortcut.transport.cell(draws)
    torch.testing.assert_close(run.x, ends[chosen], rtol=0, atol=1e-12)
    assert run.evaluations == 3 and len(set(chosen.tolist())) == 12
    counts = torch.bincount(chosen, minlength=12)
    assert counts.min() > 15 and counts.max() < 90  # 500 / 12 = 42, give or take what is left of the gradient


def test_blends_and_noise_bring_new_outputs() -> None:
    kept = stored()
    transport, draws = fitted(kept.latents), noise(64, seeded(2))
    ends = wb.solve(model(), kept.latents, kept.grid, wb.solvers.DDIM()).x
    runs = [
        Shortcut(transport, kept.grid, k=3).sample(model(), draws, wb.solvers.DDIM()).x,
        Shortcut(transport, kept.grid).sample(model(), draws, wb.solvers.DDIM(eta=1.0), generator=seeded(3)).x,
    ]
    for x in runs:
        assert (torch.cdist(x, ends).amin(1) > 1e-6).double().mean().item() > 0.95 and bool(x.isfinite().all())
    alone = Shortcut(transport, kept.grid, k=3).sample(model(), draws[5:6], wb.solvers.DDIM()).x
    torch.testing.assert_close(alone, runs[0][5:6], rtol=0, atol=1e-12)


@pytest.mark.parametrize("last", [0, 8, -1, True])
def test_some_steps_before_and_some_after(last) -> None:
    with pytest.raises(ValueError, match="last is how many of the 8 steps"):
        stored(last=last)


def test_too_many_to_blend() -> None:
    transport = SemiDiscrete(noise(3, seeded()), torch.zeros(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="k is how many of the 3 points"):
        Shortcut(transport, GRID[5:], k=3)
