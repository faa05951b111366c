"""What the chapter on noise needs from the figures: VE's unbounded time, one color a schedule, light players of noise."""

import torch

import workbench as wb
from workbench.plots.player import BUDGET
from workbench.plots.style import SCHEDULES, look


def test_schedules_shows_ve_whose_time_has_no_end():
    plot = wb.plots.schedules([wb.schedules.VP(), wb.schedules.VE()])
    assert "VE: alpha 1 to 1, sigma 0.002 to 80" in plot.alt


def test_a_schedule_keeps_its_look_in_every_figure():
    assert look("VE") == SCHEDULES["ve"]
    assert look("Rectified, rescaled") == SCHEDULES["rectified"]


def test_a_player_of_noise_stays_within_its_budget():
    rng = torch.Generator().manual_seed(0)
    frames = [torch.rand(9, 3, 32, 32, generator=rng) * 2 - 1 for _ in range(40)]
    heavy = wb.plots.image_player(frames, {"frame": range(40)})
    light = wb.plots.image_player(frames[:2], {"frame": range(2)})
    assert heavy.nbytes < BUDGET
    assert light.nbytes / 2 > 2 * heavy.nbytes / 40
