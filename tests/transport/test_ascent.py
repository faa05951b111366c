"""The search for the heights: it finds what is known exactly, repeats itself, resumes, and stops for the right reason."""

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from workbench.nets.training.checkpoint import CheckpointError
from workbench.transport import Ascent, SemiDiscrete, on_a_line, semi_discrete
from workbench.transport.ascent import noise_floor

QUICK = Ascent(samples=2000, tolerance=6e-3, most=64_000, iterations=1500, patience=20)
NORMAL = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(d: int):
    return lambda count, generator: torch.randn(count, d, generator=generator, dtype=torch.float64)


def points(n: int, d: int = 2, seed: int = 5):
    return 1.5 * noise(d)(n, seeded(seed))


def fit(where, settings=QUICK, seed=0, **more):
    return semi_discrete(where, noise(where.shape[1]), settings, generator=seeded(seed), **more)


def test_on_a_line_it_finds_the_quantiles() -> None:
    where = points(7, 1)
    found, exact = fit(where), on_a_line(where, NORMAL.icdf)
    assert found.reached and not found.interrupted
    order = where[:, 0].argsort()
    walls = -found.transport.heights[order].diff() / where[order, 0].diff()
    mass = NORMAL.cdf(walls) - torch.arange(1, 7, dtype=torch.float64) / 7
    assert mass.abs().max().item() < 0.02
    x = noise(1)(4000, seeded(9))
    assert (found.transport.cell(x) == exact.cell(x)).double().mean().item() > 0.96


def test_two_points_share_the_plane() -> None:
    """Equal masses need the wall through the center; a share of 0.2 needs it at that quantile."""
    where = torch.tensor([[1.0, 2.0], [-2.0, -2.0]], dtype=torch.float64)
    even = fit(where).transport
    assert (even.heights[0] - even.heights[1]).item() / 5 == pytest.approx(0, abs=0.03)
    wanted = torch.tensor([0.2, 0.8], dtype=torch.float64)
    uneven = fit(where, shares=wanted).transport
    assert (uneven.heights[0] - uneven.heights[1]).item() / 5 == pytest.approx(NORMAL.icdf(wanted)[0].item(), abs=0.04)


def test_every_cell_has_its_mass_within_the_error_of_counting() -> None:
    found = fit(points(16))
    fresh = noise(2)(20_000, seeded(77))
    masses = found.transport.masses(fresh)
    # what is left of the gradient, and what the fresh count adds
    assert (masses - 1 / 16).norm().item() < QUICK.tolerance + 2 * noise_floor(found.transport.shares, 20_000) + noise_floor(
        found.transport.shares, found.history[-1].samples
    )
    assert ((masses - 1 / 16).abs() < 5 * math.sqrt(15 / 16**2 / 20_000) + QUICK.tolerance).all()
    assert found.history[-1].empty == 0 and found.history[0].samples == 2000
    assert found.samples == sum(one.samples for one in found.history)


def test_it_agrees_with_the_assignment_of_samples() -> None:
    """SciPy pairs 480 samples with 8 points, 60 each: the same total within the noise of the shares, and nearly the same pairs."""
    where = points(8)
    transport, x = fit(where).transport, noise(2)(480, seeded(3))
    gain = (x @ where.T).repeat_interleave(60, dim=1)
    rows, columns = linear_sum_assignment(gain.numpy(), maximize=True)
    best = gain[rows, columns].mean().item()
    assert 0 <= transport.objective(x) - best < 0.02 * abs(best)
    assert (transport.cell(x) == torch.from_numpy(columns) // 60).double().mean().item() > 0.85


def test_the_same_seed_the_same_heights() -> None:
    short = Ascent(samples=500, tolerance=0.01, most=10_000, iterations=30)
    one, two, other = (fit(points(5), short, seed).transport.heights for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert abs(one.mean().item()) < 1e-12


def test_an_interrupted_run_ends_where_it_would_have_ended(tmp_path) -> None:
    short = Ascent(samples=500, tolerance=0.01, most=10_000, iterations=40, patience=5)
    whole, file, calls = fit(points(5), short), tmp_path / "heights.pt", 0

    def stopping(count, generator):
        nonlocal calls
        calls += 1
        if calls == 20:
            raise KeyboardInterrupt
        return noise(2)(count, generator)

    half = semi_discrete(points(5), stopping, short, generator=seeded(), checkpoint=file, save_every=7)
    assert half.interrupted and 10 < len(half.history) < 40 and half.transport.heights.isfinite().all()
    rest = fit(points(5), short, checkpoint=file)
    assert not rest.interrupted and rest.history == whole.history
    assert torch.equal(rest.transport.heights, whole.transport.heights)
    with pytest.raises(CheckpointError, match="of another run: points"):
        fit(points(5, seed=6), short, checkpoint=file)
    with pytest.raises(CheckpointError, match="rate"):
        fit(points(5), Ascent(samples=500, tolerance=0.01, most=10_000, iterations=40, patience=5, rate=0.2), checkpoint=file)


def test_samples_grow_when_nothing_gets_better() -> None:
    found = fit(points(4), Ascent(samples=100, tolerance=0.02, most=6400, patience=10, iterations=400))
    samples, rates = [one.samples for one in found.history], [one.rate for one in found.history]
    assert samples[0] == 100 and samples == sorted(samples) and rates == sorted(rates, reverse=True) and samples[-1] > 100
    steps = [(b, q / p) for a, b, p, q in zip(samples, samples[1:], rates, rates[1:], strict=False) if b != a]
    assert all(ratio == pytest.approx(0.8) for _, ratio in steps)


def test_the_published_rule_needs_a_million_and_a_half_samples() -> None:
    shares = torch.full((1000,), 1e-3, dtype=torch.float64)
    assert Ascent().tolerance == 8e-4 and noise_floor(shares, 10_000) > 12 * 8e-4 and noise_floor(shares, 1_562_500) < 8e-4
    with pytest.raises(ValueError, match="by chance, so tolerance=0.0008 is not reached"):
        fit(points(5), Ascent(most=200_000))


def test_the_noise_floor_is_the_length_of_an_exact_maps_gradient() -> None:
    exact = on_a_line(points(9, 1), NORMAL.icdf)
    lengths = [(exact.masses(noise(1)(400, seeded(k))) - 1 / 9).square().sum().item() for k in range(200)]
    assert math.sqrt(sum(lengths) / 200) == pytest.approx(noise_floor(exact.shares, 400), rel=0.08)


@pytest.mark.parametrize(
    "bad", [{"samples": 0}, {"most": 5}, {"rate": 0.0}, {"decay": 1.5}, {"betas": (0.9, 1.0)}, {"tolerance": 0.0}, {"growth": 0}]
)
def test_bad_settings(bad) -> None:
    with pytest.raises(ValueError, match="got Ascent"):
        Ascent(**bad)


def test_a_source_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"the source draws \(2, 3\)"):
        semi_discrete(points(4), noise(3), QUICK, generator=seeded())
    assert isinstance(fit(points(4), Ascent(iterations=0)).transport, SemiDiscrete)
