"""Three etas: the table of one step, round trips, and the solvers that use them."""

import math

import pytest
import torch
from helpers import SCHEDULES, lam, levels, name

from workbench import solvers
from workbench.schedules import VP, Rectified
from workbench.solvers.noise_strength import ALL, DDIM_ETA, SDE_ETA, TAU

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


def spans(schedule):
    return ((0.6, 0.5), (0.9, 0.1)) if schedule.t_max == 1 else ((6.0, 5.0), (10.0, 0.2))


def test_one_step_in_numbers() -> None:
    """VP, from 0.6 to 0.5, value 1/2: standard deviations of the fresh noise."""
    got = [kind.noise_std(0.5, VP(), 0.6, 0.5) for kind in (DDIM_ETA, SDE_ETA, TAU)]
    assert got == pytest.approx([0.398, 0.637, 0.482], abs=6e-4)


@every
def test_what_solvers_draw(schedule) -> None:
    for t, s in spans(schedule):
        grid = torch.tensor([t, s], dtype=torch.float64)
        for value in (0.0, 0.2, 0.5, 1.0):
            (ddim,), (ancestral,), (sde,) = (
                solver.plan(schedule, grid)
                for solver in (solvers.DDIM(eta=value), solvers.Ancestral(eta=value), solvers.SDEDPMSolverPP(eta=value))
            )
            assert DDIM_ETA.noise_std(value, schedule, t, s) == pytest.approx(ddim.noise, rel=1e-9)
            assert ancestral.noise == pytest.approx(ddim.noise, rel=1e-9)
            assert SDE_ETA.noise_std(value, schedule, t, s) == pytest.approx(sde.noise, rel=1e-9)
            h = lam(schedule, s) - lam(schedule, t)
            tau = levels(schedule, s)[1] * math.sqrt(1 - math.exp(-2 * value**2 * h))
            assert TAU.noise_std(value, schedule, t, s) == pytest.approx(tau, rel=1e-9)


@every
def test_conversions(schedule) -> None:
    for t, s in spans(schedule):
        for one in ALL:
            for other in ALL:
                for value in (0.0, 0.1, 0.6, 1.0):
                    there = one.convert(value, other, schedule, t, s)
                    assert other.noise_std(there, schedule, t, s) == pytest.approx(one.noise_std(value, schedule, t, s), rel=1e-9)
                    assert other.convert(there, one, schedule, t, s) == pytest.approx(value, rel=1e-6, abs=1e-9)
                    if value in (0.0, 1.0):
                        assert there == pytest.approx(value, rel=1e-8)
        assert SDE_ETA.convert(0.36, TAU, schedule, t, s) == pytest.approx(0.6, rel=1e-9)  # the square, at any step
    later = schedule.inverse_log_snr(schedule.log_snr(0.5) + 1e-4)
    assert DDIM_ETA.convert(0.6, TAU, schedule, 0.5, later) == pytest.approx(0.6, rel=1e-4)  # in the limit of short steps


@every
def test_one_order_one_step_by_three_names(schedule) -> None:
    """The same share of fresh noise gives the same step, whichever method it is asked of."""
    for t, s in spans(schedule):
        grid = torch.tensor([t, s], dtype=torch.float64)
        eta = DDIM_ETA.convert(0.7, SDE_ETA, schedule, t, s)
        (ddim,), (sde,) = solvers.DDIM(eta=0.7).plan(schedule, grid), solvers.SDEDPMSolverPP(order=1, eta=eta).plan(schedule, grid)
        assert (sde.x, sde.past[0], sde.noise) == pytest.approx((ddim.x, ddim.data, ddim.noise), rel=1e-9)


def test_all_new_noise() -> None:
    h = VP().log_snr(0.5) - VP().log_snr(0.6)
    most = 1 / math.sqrt(-math.expm1(-2 * h))
    assert DDIM_ETA.noise_std(most * (1 - 1e-12), VP(), 0.6, 0.5) == pytest.approx(VP().sigma(0.5))
    assert SDE_ETA.value(1.0, h) == math.inf == TAU.value(1.0, h)


def test_messages() -> None:
    for call, message in (
        (lambda: DDIM_ETA.noise_std(-0.1, VP(), 0.6, 0.5), "0 \\(none\\) or more, got -0.1"),
        (lambda: SDE_ETA.noise_std(math.nan, VP(), 0.6, 0.5), "got nan"),
        (lambda: DDIM_ETA.convert(3.0, TAU, VP(), 0.6, 0.5), r"eta of DDIM = 3.0 asks for .* at most 1\.2"),
        (lambda: TAU.noise_std(0.5, VP(), 0.5, 0.6), "from noise to data"),
        (lambda: TAU.noise_std(0.5, Rectified(), 1.0, 0.6), "alpha, sigma > 0"),
        (lambda: TAU.noise_std(0.5, VP(), 0.5, 0.0), "alpha, sigma > 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
