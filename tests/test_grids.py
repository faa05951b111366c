"""Grids: n + 1 decreasing points with exact ends everywhere, and each formula re-derived where a paper states it."""

import inspect
import itertools
import math

import numpy as np
import pytest
import torch
from helpers import PRESERVING, SCHEDULES, SINGULAR_START, lam, levels, name
from hypothesis import given
from hypothesis import strategies as st

from workbench import grids
from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
every_grid = pytest.mark.parametrize("place", grids.ALL, ids=lambda f: f.__name__)


def rho(schedule, t: float) -> float:
    alpha, sigma = levels(schedule, t)
    return sigma / alpha


@every
@every_grid
def test_points_order_and_ends(schedule, place) -> None:
    small, top = 2 * schedule.t_last, 80.0 if isinstance(schedule, VE) else schedule.t_max
    for n, stop, start in itertools.product([*range(1, 13), 50, 1000], (None, 0.0, small), (None, top)):
        grid = place(schedule, n, start, stop)
        assert grid.shape == (n + 1,) and grid.dtype == torch.float64
        assert grid[0].item() == (schedule.t_first if start is None else start)
        assert grid[-1].item() == (schedule.t_last if stop is None else stop)
        assert bool((grid.diff() < 0).all())
        if n == 1:
            assert len(grid) == 2


@every
@every_grid
@given(
    n=st.integers(1, 40),
    ends=st.tuples(st.floats(1e-4, 0.9), st.floats(0.0, 1.0)),
    to_zero=st.booleans(),
)
def test_any_ends(schedule, place, n, ends, to_zero) -> None:
    stop = ends[0] * schedule.t_first
    start = stop + max(ends[1], 1e-2) * (schedule.t_first - stop)
    if to_zero and start <= schedule.t_last and n > 1:
        return
    stop = 0.0 if to_zero else stop
    grid = place(schedule, n, start, stop)
    assert len(grid) == n + 1 and grid[0].item() == start and grid[-1].item() == stop
    assert bool((grid.diff() < 0).all())


@every
def test_uniform_and_quadratic_are_literal_in_t(schedule) -> None:
    np.testing.assert_allclose(grids.uniform(schedule, 7, 0.9, 0.2), np.linspace(0.9, 0.2, 8), rtol=1e-15)
    quadratic = np.linspace(np.sqrt(0.9), np.sqrt(0.2), 8) ** 2
    np.testing.assert_allclose(grids.quadratic(schedule, 7, 0.9, 0.2), quadratic, rtol=1e-14)
    np.testing.assert_allclose(grids.quadratic(schedule, 4, 0.8, 0.0), [0.8, 0.45, 0.2, 0.05, 0], rtol=1e-12)


@every
def test_log_snr_has_equal_steps(schedule) -> None:
    grid = grids.log_snr(schedule, 9)
    values = np.array([lam(schedule, t) for t in grid.tolist()])
    np.testing.assert_allclose(np.diff(values), (values[-1] - values[0]) / 9, rtol=1e-9)


@every
def test_exponential(schedule) -> None:
    torch.testing.assert_close(grids.exponential(schedule, 9), grids.log_snr(schedule, 9), rtol=1e-12, atol=0)
    grid = grids.exponential(schedule, 6, power=2.0)  # log rho = ramp^2 (log rho_max - log rho_min) + log rho_min
    high, low = math.log(rho(schedule, schedule.t_first)), math.log(rho(schedule, schedule.t_last))
    wanted = np.linspace(1, 0, 7) ** 2 * (high - low) + low
    np.testing.assert_allclose([math.log(rho(schedule, t)) for t in grid.tolist()], wanted, rtol=1e-8, atol=1e-9)


def test_karras_is_the_published_grid() -> None:
    """t_i = (max^(1/7) + i / (N - 1) (min^(1/7) - max^(1/7)))^7 for i < N, then 0: N = 18 points from 80 to 0.002."""
    i = np.arange(18)
    published = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(grids.karras(VE(), 18, stop=0.0), [*published, 0.0], rtol=1e-12)
    five = (80 ** (1 / 5) + i / 17 * (0.002 ** (1 / 5) - 80 ** (1 / 5))) ** 5
    np.testing.assert_allclose(grids.karras(VE(), 17, rho=5.0), five, rtol=1e-12)


@every
def test_karras_restarts_on_its_own_grid(schedule) -> None:
    for stop in (None, 0.0):
        grid = grids.karras(schedule, 10, stop=stop)
        for k in (1, 4, 8):
            again = grids.karras(schedule, 10 - k, start=grid[k].item(), stop=stop)
            torch.testing.assert_close(again, grid[k:], rtol=1e-10, atol=1e-13)
        values = np.array([rho(schedule, t) ** (1 / 7) for t in grid.tolist()])[: 11 - (stop == 0)]
        np.testing.assert_allclose(np.diff(values), np.diff(values).mean(), rtol=1e-7)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
def test_cosine_angle_is_arccos_of_alpha(schedule) -> None:
    grid = grids.cosine_angle(schedule, 8, stop=0.0)
    angles = np.arccos([levels(schedule, t)[0] for t in grid.tolist()])
    np.testing.assert_allclose(angles, np.linspace(angles[0], 0, 9), rtol=1e-7, atol=2e-8)


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
def test_the_angle_takes_both_ends_literally(schedule) -> None:
    grid = grids.cosine_angle(schedule, 6, start=1.0, stop=0.0)
    angles = [math.atan2(*reversed(levels(schedule, t))) for t in grid.tolist()]
    np.testing.assert_allclose(angles, np.linspace(math.pi / 2, 0, 7), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0, 12.0])
def test_flow_shift_is_the_published_grid(shift) -> None:
    u = np.linspace(1, 0, 11)
    grid = grids.flow_shift(Rectified(), 10, start=1.0, stop=0.0, shift=shift)
    np.testing.assert_allclose(grid, shift * u / (1 + (shift - 1) * u), rtol=1e-13, atol=1e-15)
    if shift == 1:
        torch.testing.assert_close(grid, grids.uniform(Rectified(), 10, 1.0, 0.0), rtol=1e-13, atol=1e-15)


@every
def test_flow_shift_multiplies_the_noise(schedule) -> None:
    """Between the same ends after the shift: u = rho / (1 + rho) is even once rho is divided by the shift."""
    grid = grids.flow_shift(schedule, 6, shift=4.0)
    u = np.array([rho(schedule, t) / 4 / (1 + rho(schedule, t) / 4) for t in grid.tolist()])
    np.testing.assert_allclose(u, np.linspace(u[0], u[-1], 7), rtol=1e-9)


@pytest.mark.parametrize("place", [grids.log_snr, grids.karras, grids.exponential], ids=lambda f: f.__name__)
def test_singular_ends_are_added_outside_the_finite_ones(place) -> None:
    s = Rectified()
    assert place(s, 1, 1.0, 0.0).tolist() == [1, 0]
    grid = place(s, 2, 1.0, 0.0).tolist()
    assert grid == [1, pytest.approx(0.5, abs=1e-12), 0]  # half-way in log-SNR between ends that nobody asked for
    assert place(s, 3, 1.0, 0.0).tolist() == [1, s.t_first, s.t_last, 0]
    assert place(s, 2, 1.0).tolist() == [1, s.t_first, s.t_last]
    assert place(s, 2, stop=0.0).tolist() == [s.t_first, s.t_last, 0]
    assert place(s, 1, start=1e-4, stop=0.0).tolist() == [1e-4, 0]  # one step needs no inner point, wherever it starts
    with pytest.raises(ValueError, match=r"no room in log-SNR.*use grids\.uniform"):
        place(s, 2, start=1e-4, stop=0.0)


@every_grid
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n": 0}, "n >= 1 steps, as an int; got 0"),
        ({"n": 5, "start": 0.1, "stop": 0.2}, r"use grid\.flip\(0\)"),
        ({"n": 5, "start": 0.1, "stop": 0.1}, "0 <= stop < start"),
        ({"n": 5, "stop": -0.1}, "got start=1.0, stop=-0.1"),
        ({"n": 5, "start": 1.5}, "start <= 1.0 on VP"),
        ({"n": 50, "start": 0.5, "stop": math.nextafter(0.5, 0)}, "too close to tell apart"),
    ],
)
def test_messages(place, kwargs, message) -> None:
    with pytest.raises(ValueError, match=message):
        place(VP(), **kwargs)


@pytest.mark.parametrize(("place", "argument"), [(grids.karras, "rho"), (grids.exponential, "power"), (grids.flow_shift, "shift")])
@pytest.mark.parametrize("value", [0.0, -2.0, math.inf, math.nan])
def test_parameters_must_be_positive(place, argument, value) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be positive"):
        place(VP(), 5, **{argument: value})


def test_types_and_infinite_starts() -> None:
    for n in (True, 2.0):
        with pytest.raises((ValueError, TypeError)):  # the type checker may be first
            grids.uniform(VP(), n)
    with pytest.raises(ValueError, match="start must be finite"):
        grids.karras(VE(), 5, start=math.inf)
    assert {f.__name__ for f in grids.ALL} == {
        key for key, f in vars(grids).items() if inspect.isfunction(f) and not key.startswith("_")
    }
    assert grids.log_snr(DiscreteVP.linear(10), 3)[-1] == 0.1
    assert grids.log_snr(Cosine(), 3)[0] == 1 - 1e-3
