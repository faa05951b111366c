"""Jumps and explained variance: exact where they must be, and equal to their definitions."""

import pytest
import torch
from gaussian_helpers import interior_times, states

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import GaussianDenoiser, MixtureDenoiser, explained_variance, teleport


def test_an_exact_law_explains_everything(law, schedule, rng):
    for t in interior_times(schedule):
        x = states(law, t, 16, rng)
        for face in FACES:
            assert explained_variance(law, law, x, t, face=face) == 1
            assert explained_variance(law, law.on(wb.schedules.VE()), x, t, face=face) == pytest.approx(1, abs=1e-12)


def test_the_definition_in_both_directions(law, schedule, rng):
    other = GaussianDenoiser(law.mean, 0.8, schedule)
    t = interior_times(schedule)[1]
    x = states(law, t, 16, rng)
    for face in FACES:
        a, b = getattr(law, face)(x, t), getattr(other, face)(x, t)
        gap = (a - b).square().sum()
        assert explained_variance(law, other, x, t, face=face) == pytest.approx(float(1 - gap / a.square().sum()))
        assert explained_variance(other, law, x, t, face=face) == pytest.approx(float(1 - gap / b.square().sum()))
    assert explained_variance(law, other, x, t) == explained_variance(law, other, x, t, face="score")


def test_any_law_explains_the_score_at_high_noise(mean, sigma_matrix, rng):
    schedule = wb.schedules.VE()
    law, point = GaussianDenoiser(mean, sigma_matrix, schedule), GaussianDenoiser(torch.zeros(3), 0.0, schedule)
    gaps = [1 - explained_variance(law, point, states(law, s, 500, rng), s) for s in (0.5, 5.0, 50.0)]
    assert gaps[0] > 0.3
    assert gaps[2] < 0.01
    assert 1 - explained_variance(law, point, states(law, 50.0, 500, rng), 50.0, face="data") == pytest.approx(1)


def test_teleporting_a_mixture_is_free_while_it_looks_gaussian(rng):
    """The final error grows with the jump: none down to high noise, modes decided wrongly far below."""
    schedule = wb.schedules.VE()
    means = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=torch.float64)
    model = MixtureDenoiser(torch.ones(3), means, 0.04, schedule)
    law = GaussianDenoiser.fit(model.sample(20_000, generator=rng, dtype=torch.float64), schedule)
    x = model.sample(200, 80.0, generator=rng, dtype=torch.float64)
    truth = wb.solve(model, x, wb.grids.karras(schedule, 200), wb.solvers.Heun()).x
    grid = wb.grids.karras(schedule, 18)
    error = {}
    for k in (0, 4, 12):
        start = teleport(law, x, grid[0], grid[k])
        error[k] = (wb.solve(model, start, grid[k:], wb.solvers.Heun()).x - truth).square().sum(1).mean().sqrt().item()
    assert error[4] < 1.2 * error[0] + 0.01
    assert error[12] > 5 * error[0]


def test_refuses(mean, sigma_matrix):
    schedule = wb.schedules.VP()
    law, x = GaussianDenoiser(mean, sigma_matrix, schedule), torch.zeros(2, 3)
    with pytest.raises(ValueError, match="'color' is not a face"):
        explained_variance(law, law, x, 0.5, face="color")
    zero = GaussianDenoiser(torch.zeros(3), 0.0, schedule)
    with pytest.raises(ValueError, match="is 0 for every x"):
        explained_variance(zero, law, x, 0.5, face="data")
    mixture = MixtureDenoiser(torch.ones(1), mean[None], sigma_matrix, schedule)
    with pytest.raises(TypeError):
        teleport(mixture, x, 0.5, 0.1)


def test_promised_names():
    names = "GaussianDenoiser MixtureDenoiser EmpiricalDenoiser Dense Diagonal LowRank teleport explained_variance"
    for name in names.split():
        assert callable(getattr(wb.gaussian, name))
        assert getattr(wb.gaussian, name).__doc__


def test_each_sample_with_its_own_class(rng):
    schedule = wb.schedules.VE()
    mixture = MixtureDenoiser(torch.ones(2), torch.tensor([[2.0, 0.0], [-2.0, 1.0]], dtype=torch.float64), 0.3, schedule)
    x = mixture.sample(4, 10.0, generator=rng, dtype=torch.float64)
    jumped = teleport(mixture.given([0, 1, 1, 0]), x, 10.0, 1.0)
    for row, label in enumerate([0, 1, 1, 0]):
        torch.testing.assert_close(jumped[row], mixture.component(label).flow(x[row, None], 10.0, 1.0)[0])
