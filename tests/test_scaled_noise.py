"""Epsilon scaling: four consistent faces, what a scale does to a Gaussian, and the fit."""

import math

import pytest
import torch
from helpers import SCHEDULES, SHIFTED, Mixture, levels, name

import workbench as wb
from workbench.noise_scale import NoiseScale
from workbench.schedules import VP, Rectified

X = torch.tensor([[0.4, -1.0, 2.0], [0.0, 0.7, -2.2]], dtype=torch.float64)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
@pytest.mark.parametrize("predicts", ["data", "noise", "velocity", "v"])
def test_four_faces_of_one_scaled_noise(schedule, predicts) -> None:
    model = Mixture(schedule, SHIFTED, predicts)
    scaled = wb.ScaledNoise(model, lambda t: 1 + t / 10)
    for t in (0.3, torch.tensor([0.3, 0.7], dtype=torch.float64)):
        k, a, b, up, rise = (
            torch.as_tensor(part(t), dtype=torch.float64).reshape(-1, 1)
            for part in (lambda t: 1 + t / 10, schedule.alpha, schedule.sigma, schedule.d_alpha, schedule.d_sigma)
        )
        e = model.answer("noise", X, t) / k
        data = (X - b * e) / a
        for face, wanted in (("noise", e), ("data", data), ("score", -e / b), ("velocity", up * data + rise * e)):
            torch.testing.assert_close(getattr(scaled, face)(X, t), wanted, rtol=1e-9, atol=1e-9)


def test_a_constant_scale_is_a_wrong_spread() -> None:
    """On N(0, v) the flow of a scaled noise multiplies by ((v + rho_s^2) / (v + rho_t^2))^(1 / 2k) in x / alpha."""
    schedule, v, k = VP(), 0.3, 1.05
    law = wb.gaussian.GaussianDenoiser(torch.zeros(3, dtype=torch.float64), v, schedule)
    rho = [levels(schedule, t)[1] / levels(schedule, t)[0] for t in (0.9, 0.01)]
    wanted = X * levels(schedule, 0.01)[0] / levels(schedule, 0.9)[0] * ((v + rho[1] ** 2) / (v + rho[0] ** 2)) ** (0.5 / k)
    got = wb.solvers.reference(wb.ScaledNoise(law, k), X, 0.9, 0.01).x
    torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-9)


def test_by_step_is_the_published_form() -> None:
    grid = wb.grids.uniform(VP(), 5, 1.0, 0.1)
    scaled = wb.ScaledNoise.by_step(Mixture(VP()), 1.01, 0.002, grid)
    assert [scaled.at(t) for t in grid.tolist()] == pytest.approx([1.01 + 0.002 * i for i in range(6)])
    assert scaled.at(0.5 * float(grid[2] + grid[3])) == pytest.approx(1.015) and scaled.at(0.01) == pytest.approx(1.02)


def test_the_fit_on_a_gaussian_is_the_lost_spread() -> None:
    """There the noise prediction is linear: the ratio of its norms is the ratio of the spreads, which DDIM's steps make known."""
    schedule, v = VP(), 0.5
    law = wb.gaussian.GaussianDenoiser(torch.zeros(400, dtype=torch.float64), v, schedule)
    grid = wb.grids.log_snr(schedule, 6)
    x0 = law.sample(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fitted = wb.ScaledNoise.fit(law, x0, grid, wb.solvers.DDIM(), generator=torch.Generator().manual_seed(1))
    rho = [levels(schedule, t)[1] / levels(schedule, t)[0] for t in grid.tolist()]
    spread, wanted = rho[0], []
    for now, after in zip(rho, rho[1:], strict=False):
        wanted.append(spread / math.sqrt(v + now**2))
        spread *= (v + now * after) / (v + now**2)
    assert list(fitted.scale.values) == pytest.approx(wanted, rel=0.01)
    assert fitted.scale.times == tuple(grid.tolist()[:-1]) and fitted.scale.evaluations == 12 and wanted[-1] < 0.8
    again = wb.ScaledNoise.fit(law, x0, grid, wb.solvers.DDIM(), generator=torch.Generator().manual_seed(1))
    assert again.scale == fitted.scale


def test_ends_and_conditions() -> None:
    model = Mixture(Rectified())
    torch.testing.assert_close(wb.ScaledNoise(model, 1.2).data(X, 0.0), X)
    torch.testing.assert_close(wb.ScaledNoise(model, 1.0).data(X, 1.0), model.data(X, 1.0))
    with pytest.raises(ValueError, match=r"start at schedule\.t_first"):
        wb.ScaledNoise(model, 1.2).data(X, 1.0)
    ring = wb.characters.ring(VP())
    one = wb.ScaledNoise(ring, 1.1).given(3)
    x = X[:, :2]
    torch.testing.assert_close(one.noise(x, 0.4), ring.given(3).noise(x, 0.4) / 1.1)
    guided = wb.Guided(ring.given(0), ring, 2.0)
    assert wb.ScaledNoise(guided, 1.1).cost == 2 and "ning2024elucidating" in wb.cite(wb.ScaledNoise(guided, 1.1))


def test_messages() -> None:
    model = Mixture(VP())
    for k in (0, -1.0, math.nan, math.inf, True):
        with pytest.raises(ValueError, match="positive and finite"):
            wb.ScaledNoise(model, k)
    with pytest.raises(ValueError, match=r"at t = 0\.5"):
        wb.ScaledNoise(model, lambda t: -t).noise(X, 0.5)
    with pytest.raises(ValueError, match="one value for each"):
        NoiseScale((0.1, 0.2), (1.0,))
    with pytest.raises(TypeError, match="generator"):
        wb.ScaledNoise.fit(model, X, torch.tensor([0.9, 0.5]), wb.solvers.DDIM(), generator=3)
