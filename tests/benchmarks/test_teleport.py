"""The benchmark of jumps on a model whose answers are known."""

import pytest
import torch

import workbench as wb
from benchmarks import teleport

MEANS = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=torch.float64)


@pytest.fixture(scope="module")
def rows():
    ve = wb.schedules.VE()
    model = wb.gaussian.MixtureDenoiser(torch.ones(3), MEANS, 0.04, ve)
    law = wb.gaussian.GaussianDenoiser(MEANS.mean(0), MEANS.T @ MEANS / 3 + 0.04 * torch.eye(2, dtype=torch.float64), ve)
    start = teleport.noise(ve, (2,), 60)
    distance = lambda x: (float(x.mean()), 0.5)  # noqa: E731
    return teleport.measure(
        model, law, start, wb.solvers.Heun(), steps=18, skips=(0, 6, 12), reference_steps=40, batch=60, distance=distance
    )


def test_evaluations_and_levels_are_those_of_the_rest_of_the_grid(rows):
    grid = wb.grids.karras(wb.schedules.VE(), 18, stop=0.0)
    for row in rows:
        assert row["evaluations"] == 2 * (18 - row["skipped"]) - 1
        assert row["sigma"] == pytest.approx(float(grid[row["skipped"]]), abs=1e-4)


def test_a_short_jump_costs_nothing_and_a_long_one_does(rows):
    none, short, far = (row["error"] for row in rows)
    assert short < 1.2 * none + 0.01
    assert far > 0.1
    assert rows[0]["bound"] == 0 < rows[1]["bound"] < rows[2]["bound"]
    assert rows[2]["frechet_standard_error"] == 0.5


def test_more_pictures_begin_with_the_same_ones():
    ve = wb.schedules.VE()
    assert torch.equal(teleport.noise(ve, (2,), 5)[:3], teleport.noise(ve, (2,), 3))


def test_no_distance_without_enough_pictures(monkeypatch):
    monkeypatch.setattr(wb.artifacts, "available", lambda: ())
    assert teleport.features_distance(1000) is None
