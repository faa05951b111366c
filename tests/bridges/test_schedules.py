"""Bridge schedules: the coefficients of a conditioned diffusion, exact at both ends, exactly inverted."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb

INSIDE = (0.02, 0.3, 0.5, 0.9, 0.999)


def test_coefficients_are_those_of_a_diffusion_conditioned_on_its_end(bridge):
    base, end = bridge.base, bridge.end
    for share in INSIDE:
        t = share * end
        alpha, sigma = base.alpha(t), base.sigma(t)
        onward = base.alpha(end) / alpha  # x_T = onward x_t + noise
        added = base.sigma(end) ** 2 - (onward * sigma) ** 2
        variance = 1 / (1 / sigma**2 + onward**2 / added)
        a, b, c = bridge.coefficients(t)
        assert a == pytest.approx(variance * onward / added, rel=1e-11)
        assert b == pytest.approx(variance * alpha / sigma**2, rel=1e-11)
        assert c**2 == pytest.approx(variance, rel=1e-11)


def test_signal_to_noise_ratios_subtract(bridge):
    for share in INSIDE:
        t = share * bridge.end
        base = math.exp(2 * bridge.base.log_snr(t)) - math.exp(2 * bridge.base.log_snr(bridge.end))
        assert math.exp(2 * bridge.log_snr(t)) == pytest.approx(base, rel=1e-9)


def test_both_ends_are_exact(bridge):
    assert bridge.coefficients(bridge.t_max) == (pytest.approx(1.0, abs=1e-15), 0.0, 0.0)
    assert (bridge.alpha(bridge.t_max), bridge.sigma(bridge.t_max), bridge.log_snr(bridge.t_max)) == (0.0, 1.0, -math.inf)
    assert bridge.coefficients(0.0) == (0.0, 1.0, 0.0)
    ends = torch.tensor([0.0, bridge.t_max], dtype=torch.float64)
    assert bridge.alpha(ends).tolist() == [1.0, 0.0]
    assert bridge.sigma(ends).tolist() == [0.0, 1.0]


def test_time_to_log_snr_and_back_is_exact(bridge):
    times = torch.linspace(bridge.t_last, bridge.t_first, 101, dtype=torch.float64)
    assert torch.allclose(bridge.inverse_log_snr(bridge.log_snr(times)), times, rtol=1e-12, atol=0)
    for t in times[::20].tolist():
        assert bridge.inverse_log_snr(bridge.log_snr(t)) == pytest.approx(t, rel=1e-12)
    assert bridge.inverse_log_snr(-math.inf) == bridge.t_max
    assert bridge.inverse_log_snr(-400.0) == pytest.approx(bridge.t_max, rel=1e-12)


@pytest.mark.parametrize(
    "schedule", [wb.bridges.Bridge(), wb.bridges.Bridge(wb.schedules.VE(t_first=2.0)), wb.bridges.ResShift()], ids=str
)
def test_slopes_are_those_of_the_levels(schedule):
    wb.checks.is_schedule(schedule)
    wb.checks.inverts_log_snr(schedule)
    for t in (0.1, 0.4, 0.8):
        variance = (schedule.sigma(t + 1e-6) ** 2 - schedule.sigma(t - 1e-6) ** 2) / 2e-6
        drift = schedule.d_alpha(t) / schedule.alpha(t)
        assert schedule.diffusion(t) ** 2 == pytest.approx(variance - 2 * drift * schedule.sigma(t) ** 2, rel=1e-7)


def test_infinite_slopes_are_infinite_and_finite_ones_finite():
    schedule = wb.bridges.Bridge()
    assert schedule.d_alpha(1.0) == -math.inf and schedule.d_sigma(0.0) == math.inf
    assert math.isfinite(schedule.d_alpha(0.0)) and math.isfinite(schedule.d_sigma(1.0))


def test_tensors_and_floats_agree(bridge):
    times = torch.linspace(0.01, 0.99, 7, dtype=torch.float64) * bridge.end
    for name in ("alpha", "sigma", "log_snr", "d_alpha", "d_sigma"):
        each = torch.tensor([getattr(bridge, name)(t) for t in times.tolist()], dtype=torch.float64)
        assert torch.allclose(getattr(bridge, name)(times), each, rtol=1e-10, atol=0), name
    a, b, c = bridge.coefficients(times)
    assert torch.allclose(
        torch.stack([a, b, c], 1), torch.tensor([bridge.coefficients(t) for t in times.tolist()], dtype=torch.float64), rtol=1e-10
    )


def test_shifting_and_placing_are_inverse(bridge, rng):
    x, end = torch.randn(2, 5, 3, generator=rng, dtype=torch.float64)
    times = torch.linspace(0.1, 0.9, 5, dtype=torch.float64) * bridge.end
    for t in (0.4 * bridge.end, times):
        assert torch.allclose(bridge.placed(bridge.shifted(x, end, t), end, t), x, rtol=1e-12)
    assert torch.equal(bridge.placed(x, end, bridge.t_max), end)
    with pytest.raises(ValueError, match="stands on its end point"):
        bridge.shifted(x, end, bridge.t_max)
    with pytest.raises((ValueError, TypeError), match="each sample needs an end point|type hint"):
        bridge.placed(x, end[:2], 0.5)


def test_grids_start_at_the_end_point(bridge):
    for make in (wb.grids.log_snr, wb.grids.karras, wb.grids.uniform):
        grid = make(bridge, 6, start=bridge.t_max, stop=0.0)
        assert grid[0] == bridge.t_max and grid[-1] == 0 and bool((grid.diff() < 0).all())


def test_bad_bridges_are_refused():
    with pytest.raises(TypeError, match="ordinary schedule"):
        wb.bridges.Bridge(wb.bridges.Bridge())
    with pytest.raises(ValueError, match="would say nothing"):
        wb.bridges.Bridge(wb.schedules.Rectified(), 1.0)
    with pytest.raises(ValueError, match="a bridge ends between"):
        wb.bridges.Bridge(wb.schedules.VP(), 1.5)
    with pytest.raises(ValueError, match="positive kappa"):
        wb.bridges.ResShift(0.0)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 20.0), st.floats(0.001, 0.999))
def test_any_end_gives_a_schedule(beta, share):
    schedule = wb.bridges.Bridge(wb.schedules.VP(0.01, 0.01 + beta), 0.8)
    t = 0.8 * share
    a, b, c = schedule.coefficients(t)
    assert 0 < a < 1 and 0 < b < 1 and c > 0
    assert schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2 == pytest.approx(1, abs=1e-14)
    assert schedule.inverse_log_snr(schedule.log_snr(t)) == pytest.approx(t, rel=1e-9)
