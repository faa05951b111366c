"""How fast a sampler's law, not its path, comes closer to the right one."""

import math

from workbench import grids
from workbench.checks.asking import check
from workbench.checks.laws import CheckNormal
from workbench.checks.probing import moments
from workbench.checks.result import CheckResult, conclude
from workbench.checks.running import Sampler
from workbench.schedules import VP, Schedule

MEAN, STD = 0.7, 0.4


@check
def weak_order(
    sampler: Sampler,
    expected: float | int,
    *,
    tolerance: float = 0.25,
    schedule: Schedule | None = None,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """How fast the errors of mean and variance fall: error ~ N^-order on N(0.7, 0.4^2), for samplers with or without noise.

    N = 20 to 80 equal steps in log-SNR between times where alpha and sigma are positive (on VP from 1 to 0.01), starting from the
    exact law.  Nothing is drawn: on a Gaussian the mean and the variance follow exactly from the sampler's answers to unit vectors, see
    :mod:`workbench.checks.probing`.  So there is no standard error, and an order of 2 can be told from an order of 1.

    A Gaussian is a mild law: means are often exact and some methods gain an order on it.  Therefore only too low an order fails.

    Args:
        sampler: a solver or a step, see :mod:`workbench.checks.running`; noise by ``torch.randn``, ``randn_like`` or ``normal``.
        expected: the weak order claimed.
        tolerance: how far below the measured order may lie.
        schedule: VP if None.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    schedule = VP() if schedule is None else schedule
    law = CheckNormal(schedule, MEAN, STD)
    start, stop = schedule.t_first, 0.01 if schedule.t_max == 1 else 0.05
    steps, errors = (20, 40, 80), {"mean": [], "variance": []}
    for n in steps:
        (before, spread), (mean, variance) = (_exact(schedule, t) for t in (start, stop))
        got = moments(sampler, law, grids.log_snr(schedule, n, start, stop).tolist(), before, spread)
        if not (math.isfinite(got.mean) and math.isfinite(got.variance)):
            problem = f"the result of {n} steps is not finite: usual cause: a division by zero, or the root of a negative variance"
            return conclude("weak_order", problem, "", points, raises)
        errors["mean"].append((got.mean - mean) / math.sqrt(variance))
        errors["variance"].append(got.variance / variance - 1)
    reports, problem = [], None
    for what, off in errors.items():
        if abs(off[-1]) < 1e-9:
            reports.append(f"{what} exact to rounding")
            continue
        measured = math.log2(abs(off[-2] / off[-1])) if off[-2] else -math.inf
        reports.append(f"{what} of order {measured:.2f} (relative errors {', '.join(f'{e:+.1e}' for e in off)})")
        if measured < expected - tolerance and problem is None:
            problem = f"{reports[-1]}, expected {expected:g}: usual cause: {_why(what, measured, off[-1], expected, got.draws)}"
    return conclude("weak_order", problem, f"{'; '.join(reports)}; expected {expected:g}", points, raises)


def _exact(schedule: Schedule, t: float) -> tuple[float, float]:
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return alpha * MEAN, (alpha * STD) ** 2 + sigma**2


def _why(what: str, measured: float, error: float, expected: float, draws: int) -> str:
    if measured >= 0.5:
        return (
            "the model's answer is held still over the step, or earlier answers are weighed as if all steps were equal or free of "
            "noise; one part of lower order in every step is enough"
        )
    if what == "mean":
        return "a wrong factor of the data prediction, or alpha taken at the wrong time: more steps lead to another mean"
    if error > 0:
        return "noise is added without shrinking the predicted noise, or sigma is taken at the noisier time: the limit is too wide"
    missing = "no noise is drawn, though the drift is that of a sampler with noise" if not draws else "too little noise is drawn"
    return f"{missing} (a variance where its root belongs?), or a part of the state is lost in every step: the limit is too narrow"
