"""Five schedules, likely states, and how to compare."""

import torch

import workbench as wb

SCHEDULES = {
    "VP": wb.schedules.VP(),
    "Cosine": wb.schedules.Cosine(),
    "VE": wb.schedules.VE(),
    "Rectified": wb.schedules.Rectified(),
    "DiscreteVP": wb.schedules.DiscreteVP.linear(),
}


def interior_times(schedule):
    """Times at three log-SNRs: almost noise, in between, almost data."""
    return [schedule.inverse_log_snr(lam) for lam in (-2.5, 0.2, 3.0)]


def states(law, t, n, rng):
    """n float64 states that are likely at time t."""
    return law.sample(n, t, generator=rng, dtype=torch.float64)


def close(actual, expected, tolerance=1e-10):
    """Largest error relative to the largest expected entry (at least 1)."""
    expected = torch.as_tensor(expected, dtype=torch.float64)
    assert actual.shape == expected.shape
    error = (actual.double() - expected).abs().max().item()
    assert error <= tolerance * max(1.0, expected.abs().max().item()), error


def z_score(draws, expected):
    """(mean of draws - expected) / standard error, entry by entry."""
    draws = draws.double()
    return (draws.mean(0) - expected) * len(draws) ** 0.5 / draws.std(0).clamp(min=1e-300)
