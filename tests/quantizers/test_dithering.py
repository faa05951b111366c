"""Rounding by chance at every step: the law of what reaches the end."""

import math

import pytest
import torch

import workbench as wb

Q, RF = wb.quantizers, wb.schedules.Rectified()
EULER = wb.solvers.Euler(variable="t")
ELLIPSE = wb.characters.ellipse(RF)


def grid(steps):
    return wb.grids.uniform(RF, steps, start=1.0, stop=0.0)


class Still(wb.Denoiser):
    """A velocity that is 0.3 steps everywhere."""

    schedule, predicts = RF, "velocity"

    def predict(self, x, t):
        return torch.full_like(x, 0.03)


def test_mean_and_variance_of_the_end_by_z_scores(rng):
    runs, steps, step = 40_000, 16, 0.1
    model = Q.RoundedAnswers(Still(), step, "stochastic", rng)
    ends = wb.solve(model, torch.zeros(runs, 2, dtype=torch.float64), grid(steps), EULER).x
    variance = 0.3 * 0.7 * step**2 / steps  # f (1 - f) Delta^2 h
    assert float(((ends.mean(0) + 0.03).abs() / math.sqrt(variance / runs)).max()) < 5
    assert float(((ends.var(0) / variance - 1).abs() / math.sqrt(2 / runs)).max()) < 5
    nearest = wb.solve(Q.RoundedAnswers(Still(), step), torch.zeros(1, 2), grid(steps), EULER).x
    assert torch.equal(nearest, torch.zeros(1, 2))  # the same wrong answer every time


def test_the_covariance_on_a_gaussian_by_z_scores(rng):
    runs, steps, step = 20_000, 12, 0.02
    x = torch.randn(1, 2, generator=rng, dtype=torch.float64).expand(runs, 2)
    ends = wb.solve(Q.RoundedAnswers(ELLIPSE, step, "stochastic", rng), x, grid(steps), EULER).x
    right = wb.solve(ELLIPSE, x[:1], grid(steps), EULER).x
    expected = Q.dither_covariance(ELLIPSE, grid(steps), step**2 / 6, 2)  # places between levels are spread evenly, nearly
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(expected), (ends - right).T, upper=False)
    assert float(whitened.mean(1).abs().max()) * math.sqrt(runs) < 5
    found = whitened @ whitened.T / runs
    assert torch.allclose(found, torch.eye(2, dtype=torch.float64), atol=0.15)  # the first steps all start from one point
    diagonal = Q.dither_covariance(ELLIPSE, grid(steps), torch.full((steps,), step**2 / 6, dtype=torch.float64), 2)
    assert torch.equal(diagonal, expected)


def test_four_times_the_steps_are_one_bit():
    covariances = [Q.dither_covariance(ELLIPSE, grid(n), 1.0, 2).trace() for n in (32, 128)]
    assert float((covariances[0] / covariances[1]).sqrt()) == pytest.approx(2, rel=0.05)
    law = wb.gaussian.GaussianDenoiser(torch.zeros(1), 0.25, RF)
    fine = Q.dither_covariance(law, grid(500), 1.0, 1)
    assert float(fine) * 500 == pytest.approx(math.pi * 0.5 / 2, rel=1e-2)  # pi sigma / 2 times the step


def test_later_errors_count_by_what_the_flow_makes_of_them():
    first, last = (torch.zeros(4) for _ in range(2))
    first[0], last[-1] = 1, 1
    assert torch.allclose(Q.dither_covariance(ELLIPSE, grid(4), last, 2), torch.eye(2, dtype=torch.float64) / 16)
    assert not torch.allclose(Q.dither_covariance(ELLIPSE, grid(4), first, 2), torch.eye(2, dtype=torch.float64) / 16)


def test_bad_input(rng):
    for arguments in ((0.0,), (0.1, "up"), (0.1, "stochastic")):
        with pytest.raises(ValueError, match="step=0|rounding is|generator"):
            Q.RoundedAnswers(ELLIPSE, *arguments)
    for variance in (torch.ones(3), -1.0):
        with pytest.raises(ValueError, match="one for each of 4 steps"):
            Q.dither_covariance(ELLIPSE, grid(4), variance, 2)
