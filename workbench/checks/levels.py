"""Checks of schedules and grids."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.checks.asking import Problem, ask, check, number, numbers
from workbench.checks.result import CheckResult, conclude
from workbench.schedules import Schedule

Functions = tuple[Callable[[float], float], Callable[[float], float]]


@check
def is_schedule(
    schedule: Schedule | Functions, *, t_max: float | None = None, points: float | int = 1, raises: bool = True
) -> CheckResult:
    """alpha(0) = 1, sigma(0) = 0, the log-SNR falls all the way, and the derivatives (of an object) are the derivatives.

    Args:
        schedule: a schedule, or the pair of functions (alpha, sigma) of t.
        t_max: the largest time to look at; 1 if None (``t_first`` for an object).
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    given = schedule if isinstance(schedule, tuple) else (schedule.alpha, schedule.sigma)
    alpha, sigma = (_numeric(name, level) for name, level in zip(("alpha", "sigma"), given, strict=True))
    top = t_max if t_max is not None else 1.0 if isinstance(schedule, tuple) else schedule.t_first
    times = [top * (i / 64.3) ** 2 for i in range(1, 65)]
    problem = None
    if not math.isclose(alpha(0.0), 1, abs_tol=1e-9) or not abs(sigma(0.0)) < 1e-9:
        problem = (
            f"at t = 0 alpha = {alpha(0.0):.6g} and sigma = {sigma(0.0):.6g}, expected 1 and 0: usual cause: time runs the "
            "other way (here t = 0 is the data), or an offset is left in"
        )
    levels = [(alpha(t), sigma(t)) for t in times]
    bad = [t for t, (a, b) in zip(times, levels, strict=True) if not (a > 0 and b > 0)]
    if bad and problem is None:
        problem = f"alpha or sigma is not positive at t = {bad[0]:.4g}: usual cause: a missing absolute value or a wrong sign"
    elif problem is None:
        ratio = [a / b for a, b in levels]
        rising = [t for t, now, after in zip(times, ratio, ratio[1:], strict=False) if after >= now]
        if rising:
            problem = f"alpha / sigma does not fall after t = {rising[0]:.4g}: noise must only grow with t"
    if problem is None and not isinstance(schedule, tuple):
        problem = _wrong_slope(schedule, times[8::6])
    return conclude("is_schedule", problem, "right ends, and a log-SNR that falls", points, raises)


def _numeric(name: str, function: Callable[[float], Any]) -> Callable[[float], float]:
    """The function, asked with care: it returns a float, or the check says what it did instead."""

    def asked(t: float) -> float:
        call = f"{name}({t:.6g})"
        return number(ask(call, function, t), call)

    return asked


def _wrong_slope(schedule: Schedule, times: list[float]) -> str | None:
    for t in times:
        h = 1e-6 * t
        for level, slope in (("alpha", "d_alpha"), ("sigma", "d_sigma")):
            value, given = _numeric(level, getattr(schedule, level)), _numeric(slope, getattr(schedule, slope))(t)
            measured = (value(t + h) - value(t - h)) / (2 * h)
            if not math.isclose(given, measured, rel_tol=1e-4, abs_tol=1e-6):
                sign = "; the sign is flipped" if math.isclose(given, -measured, rel_tol=1e-4) else ""
                return f"{slope}({t:.4g}) = {given:.6g}, but {level} changes at the rate {measured:.6g}{sign}"
    return None


@check
def inverts_log_snr(
    schedule: Schedule | Functions, *, times: tuple[float, ...] | None = None, points: float | int = 1, raises: bool = True
) -> CheckResult:
    """t -> lambda -> t returns to t.

    Args:
        schedule: a schedule, or the pair of functions (log_snr of t, its inverse of lambda).
        times: where to try; spread over (0, t_first] (or (0, 1)) if None.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    given = schedule if isinstance(schedule, tuple) else (schedule.log_snr, schedule.inverse_log_snr)
    forward, back = (_numeric(name, function) for name, function in zip(("log_snr", "inverse_log_snr"), given, strict=True))
    top = 0.999 if isinstance(schedule, tuple) else schedule.t_first
    problem = None
    for t in times or [top * (i / 40) ** 2 for i in range(2, 41)]:
        lam = forward(t)
        got = back(lam)
        if math.isclose(got, t, rel_tol=1e-8, abs_tol=1e-9):
            continue
        guesses = {
            "the sign of lambda is flipped": -lam,
            "lambda is log(alpha / sigma); a factor 2 (log of the squared ratio) is mixed in": 2 * lam,
            "lambda is log(alpha / sigma); a factor 1/2 is mixed in": lam / 2,
        }
        why = [text for text, guess in guesses.items() if _leads_to(back, guess, t)]
        problem = f"t = {t:.6g} has lambda = {lam:.6g}, which leads back to {got:.6g}" + (f": usual cause: {why[0]}" if why else "")
        break
    return conclude("inverts_log_snr", problem, "returns to every time", points, raises)


def _leads_to(back: Callable[[float], float], lam: float, t: float) -> bool:
    try:
        return math.isclose(back(lam), t, rel_tol=1e-6)
    except Problem:  # the inverse need not be defined at the guess
        return False


@check
def grid(
    place: Callable[..., Any],
    schedule: Schedule,
    n: int,
    *,
    start: float | None = None,
    stop: float | None = None,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """place(schedule, n) gives n + 1 times in float64 that fall strictly from ``start`` to ``stop``, exactly.

    Args:
        place: a grid function, called as place(schedule, n), or with start and stop where they are given.
        schedule, n: its arguments.
        start, stop: the ends; ``schedule.t_first`` and ``schedule.t_last`` if None.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    ends = {key: value for key, value in (("start", start), ("stop", stop)) if value is not None}
    given = ask(
        f"place({', '.join(['schedule', 'n', *(f'{key}={value}' for key, value in ends.items())])})", place, schedule, n, **ends
    )
    times, dtype = numbers(given, None, "the grid"), given.dtype if isinstance(given, Tensor) else torch.float64
    first, last = schedule.t_first if start is None else start, schedule.t_last if stop is None else stop
    ends = (times[0].item(), times[-1].item()) if times.ndim == 1 and len(times) else (math.nan, math.nan)
    problem = None
    if times.ndim != 1 or len(times) != n + 1:
        problem = f"it has shape {tuple(times.shape)}, expected ({n + 1},): n steps need n + 1 points"
    elif dtype != torch.float64:
        problem = f"its dtype is {dtype}, expected torch.float64: steps between near times lose their digits"
    elif not bool(times.isfinite().all()):
        k = int((~times.isfinite()).nonzero()[0])
        problem = f"point {k} is {times[k].item()}: usual cause: a division by zero, or the log-SNR of t = 0, which is infinite"
    elif ends == (last, first):
        problem = "it rises from data to noise: usual cause: the ends are swapped"
    elif ends != (first, last):
        problem = f"it runs from {ends[0]!r} to {ends[1]!r}, expected {first!r} to {last!r}: set the ends after rounding"
    elif not bool((times.diff() < 0).all()):
        problem = f"it does not fall strictly (first at point {int((times.diff() >= 0).nonzero()[0])})"
    return conclude("grid", problem, f"{n + 1} times from {first:g} to {last:g}", points, raises)
