"""Where training looks on the noise axis: draws against densities."""

import pytest
import torch
from helpers import SCHEDULES, name
from scipy.stats import kstest

from workbench.nets import LogNormal, UniformTimes


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_log_sigma_over_alpha_is_normal_on_every_schedule(schedule):
    t = LogNormal(-0.7, 1.1).draw(schedule, 4000, torch.Generator().manual_seed(0))
    inside = (t > schedule.t_last) & (t < schedule.t_first)  # a table of levels has ends
    assert inside.float().mean() > 0.98
    z = (-schedule.log_snr(t[inside]) + 0.7) / 1.1
    assert t.dtype == torch.float64
    assert kstest(z.numpy(), "norm").statistic < 0.03
    assert kstest(z.numpy() + 0.2, "norm").statistic > 0.05  # the test sees a shift of a fifth of a standard deviation


def test_uniform_times_are_uniform_and_never_zero():
    from workbench.schedules import Rectified

    t = UniformTimes().draw(Rectified(), 4000, torch.Generator().manual_seed(0))
    assert kstest(t.numpy(), "uniform").statistic < 0.03
    assert float(t.min()) > 0


@pytest.mark.parametrize("bad", [{"std": 0.0}, {"std": -1.0}, {"std": float("inf")}, {"mean": float("nan")}])
def test_no_density_without_a_width(bad):
    with pytest.raises(ValueError, match="std > 0"):
        LogNormal(**bad)
