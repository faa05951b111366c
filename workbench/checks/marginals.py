"""Does a sampler keep the law of the forward process at every time?"""

import math

import torch

from workbench import grids
from workbench.checks.asking import check
from workbench.checks.laws import CheckMixture
from workbench.checks.result import CheckResult, conclude
from workbench.checks.running import Sampler, run
from workbench.schedules import VP, Schedule


@check
def preserves_marginals(
    sampler: Sampler,
    *,
    mean: float = 0.7,
    std: float = 0.0,
    steps: int = 8,
    schedule: Schedule | None = None,
    samples: int = 20_000,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """Mean, variance and correlation at every time of a run, against N(alpha mean, alpha^2 std^2 + sigma^2).

    The data are two independent copies of N(mean, std^2).  For one point (std = 0, the default) DDIM with any eta and ancestral
    sampling are exact for any number of steps, so that there every deviation beyond 5 standard errors is a mistake; other methods,
    and these for a spread of the data, have a bias of their own at a finite number of steps, which shrinks as ``steps`` grow.

    Args:
        sampler: a solver or a step, see :mod:`workbench.checks.running`.
        mean, std: of the data.
        steps: how many, equal in log-SNR.
        schedule: VP if None.
        samples: how many runs.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    schedule = VP() if schedule is None else schedule
    generator = torch.Generator().manual_seed(0)
    times = grids.log_snr(schedule, steps, stop=2 * schedule.t_last).tolist()
    law = CheckMixture(schedule, ((1.0,), (mean,), (std,)))
    alpha, sigma = schedule.alpha(times[0]), schedule.sigma(times[0])
    x = torch.randn(samples, 2, generator=generator, dtype=torch.float64)
    x = alpha * mean + math.sqrt((alpha * std) ** 2 + sigma**2) * x
    problem, own = None, f"or the method's own bias at {steps} steps"
    for t, state in zip(times[1:], run(sampler, law, x, times, generator, digits=False)[1:], strict=True):
        alpha, variance = schedule.alpha(t), (schedule.alpha(t) * std) ** 2 + schedule.sigma(t) ** 2
        error = math.sqrt(variance / samples)
        if not bool(state.isfinite().all()):
            problem = f"the state at t = {t:.4g} is not finite: usual cause: a division by zero, or the root of a negative variance"
        elif (off := float((state.mean(0) - alpha * mean).abs().max())) > 5 * error + 1e-9:
            problem = f"the mean at t = {t:.4g} is off by {off:.3g} ({off / error:.0f} standard errors): usual cause: either {_MEAN}, {own}"
        elif (off := float((state.var(0) / variance - 1).abs().max())) > 5 * math.sqrt(2 / samples):
            ratio = float((state.var(0) / variance).mean())
            cause = _TOO_MUCH if ratio > 1 else _TOO_LITTLE
            problem = f"the variance at t = {t:.4g} is {ratio:.3g} times what it should be: usual cause: either {cause}, {own}"
        elif (off := float((state - state.mean(0)).prod(1).mean().abs())) > 5 * error * math.sqrt(variance):
            problem = f"the coordinates are correlated at t = {t:.4g}: usual cause: one draw of noise used for all of them"
        if problem:
            break
    return conclude("preserves_marginals", problem, f"mean and variance right at {steps} times", points, raises)


_MEAN = "a wrong factor of the data prediction, or alpha taken at the wrong time"
_TOO_MUCH = "noise is added without shrinking the predicted noise, or sigma is taken at the noisier time"
_TOO_LITTLE = "the fresh noise is missing, or scaled by its variance where its standard deviation belongs"
