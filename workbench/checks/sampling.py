"""Checks of samplers: order, exactness and the number of evaluations.  What a sampler is: :mod:`workbench.checks.running`."""

import math

import torch
from torch import Tensor

from workbench import grids
from workbench.checks.asking import ask, check
from workbench.checks.laws import CheckMixture
from workbench.checks.result import CheckResult, conclude
from workbench.checks.running import Sampler, refuse_class, run
from workbench.schedules import VE, VP, Rectified, Schedule
from workbench.solution import Counted
from workbench.solve import solve


@check
def order(
    sampler: Sampler,
    expected: float | int,
    *,
    tolerance: float = 0.25,
    schedule: Schedule | None = None,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """How fast the error falls: error ~ N^-order on a mixture of two Gaussians, against its exact flow.

    N = 20 to 160 equal steps in log-SNR between times where alpha and sigma are positive (on VP from 1 to 0.01).  One
    dimension is enough: there the exact flow is the monotone map that matches the two distribution functions.

    The order here is that of a path.  A sampler that draws noise has no such path and is refused; its order is a weak one, of
    means and variances, which :func:`weak_order` measures.

    Args:
        sampler: a solver or a step, see :mod:`workbench.checks.running`.
        expected: the order claimed.
        tolerance: how far below the measured order may lie (three times as much above).
        schedule: VP if None.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    schedule = VP() if schedule is None else schedule
    law = CheckMixture(schedule)
    start = schedule.t_first
    stop = 0.01 if schedule.t_max == 1 else 0.05
    x = law.spread(start)
    exact, steps = law.flow(x, start, stop), (20, 40, 80, 160)

    def end(n: int, seed: int = 0) -> Tensor:
        times = grids.log_snr(schedule, n, start, stop).tolist()
        return run(sampler, law, x, times, torch.Generator().manual_seed(seed))[-1]

    apart = float((end(steps[0], 0) - end(steps[0], 1)).abs().max())
    if apart > 1e-9:
        problem = (
            f"two runs from one start end {apart:.2g} apart, so there is no path whose order could be measured: usual cause: the "
            "sampler draws noise (its order is a weak one, of means and variances: use weak_order or "
            "preserves_marginals, or turn the noise off), or it remembers something of the run before"
        )
        return conclude("order", problem, "", points, raises)
    errors = [float((end(n) - exact).abs().max()) for n in steps]
    if not all(math.isfinite(error) for error in errors):
        problem = f"the result is not finite (errors {errors}): usual cause: a division by zero or the logarithm of zero"
        return conclude("order", problem, "", points, raises)
    usable = [(n, error) for n, error in zip(steps, errors, strict=True) if error > 1e-11]
    if len(usable) < 2:
        return conclude("order", None, f"exact to rounding (error {errors[-1]:.1e})", points, raises)
    (n0, e0), (n1, e1) = usable[-2:]
    measured = math.log(e0 / e1) / math.log(n1 / n0)
    report = f"measured order {measured:.2f}, expected {expected:g} (errors {', '.join(f'{e:.1e}' for e in errors)})"
    problem = None
    if measured < expected - tolerance:
        problem = f"{report}: usual cause: {_why_slow(measured, expected)}"
    elif measured > expected + 3 * tolerance:
        problem = f"{report}: better than claimed: usual cause: another method than the one asked for"
    return conclude("order", problem, report, points, raises)


def _why_slow(measured: float, expected: float | int) -> str:
    if measured < 0.5:
        return "a wrong sign, factor or time in the update: more steps lead to another limit than the exact flow"
    if measured < 1.5 <= expected:
        return (
            "the second slope is evaluated at the old point or at the old time, or the weights of the slopes do not add up to the "
            "step; one first-order step at the start or the end costs an order, too"
        )
    return "one stage or one remembered value is used with a weight of lower order, or the last step is of lower order"


@check
def is_exact_on_point_mass(sampler: Sampler, *, points: float | int = 1, raises: bool = True) -> CheckResult:
    """Where the data are one point c, noise and data predictions stay constant along the flow, and one step must be exact:
    from alpha_t c + sigma_t eps to alpha_s c + sigma_s eps, on VP, VE and Rectified."""
    eps = torch.tensor([[-1.3], [0.2], [0.8]], dtype=torch.float64)
    problem = None
    for schedule, t, s in ((VP(), 0.7, 0.3), (VE(), 4.0, 1.5), (Rectified(), 0.7, 0.3)):
        law, c = CheckMixture(schedule, ((1.0,), (0.7,), (0.0,))), 0.7
        a, b, alpha, sigma = schedule.alpha(t), schedule.sigma(t), schedule.alpha(s), schedule.sigma(s)
        got = run(sampler, law, a * c + b * eps, [t, s], torch.Generator().manual_seed(0))[-1]
        exact = alpha * c + sigma * eps
        if torch.allclose(got, exact, rtol=0, atol=1e-9):
            continue
        if not bool(got.isfinite().all()):
            kind = "NaN" if bool(got.isnan().any()) else "infinity"
            problem = (
                f"one step on {type(schedule).__name__} from t = {t} to s = {s} produced {kind}: usual cause: a division by zero, or "
                "the logarithm or the root of a negative number"
            )
            break
        guesses = {
            "the noise enters with the wrong sign": alpha * c - sigma * eps,
            "alpha_s is missing in front of the data": c + sigma * eps,
            "the data carry the old alpha_t instead of alpha_s": a * c + sigma * eps,
            "the noise carries the old sigma_t instead of sigma_s": alpha * c + b * eps,
            "sigma_s is squared in front of the noise": alpha * c + sigma**2 * eps,
            "the noise is left out": alpha * c + 0 * eps,
            "the data are left out": sigma * eps,
            "the state does not move": a * c + b * eps,
            "the step goes the wrong way: s - t, not t - s": 2 * (a * c + b * eps) - exact,
        }
        why = [name for name, guess in guesses.items() if torch.allclose(got, guess, rtol=0, atol=1e-9)]
        close = torch.allclose(got, exact, rtol=1e-5, atol=1e-5)
        cause = (
            why[0]
            if why
            else _ROUNDED
            if close
            else "alpha or sigma is taken at the wrong time, or the formula holds on another schedule only"
        )
        problem = (
            f"one step on {type(schedule).__name__} from t = {t} to s = {s} misses the exact point by "
            f"{float((got - exact).abs().max()):.3g}: usual cause: {cause}"
        )
        break
    return conclude("is_exact_on_point_mass", problem, "one step is exact on VP, VE and Rectified", points, raises)


_ROUNDED = "some of it is computed in float32: a tensor made without dtype=x.dtype, or a rounded constant"


@check
def counts_evaluations(
    sampler: Sampler, expected: int | None = None, *, points: float | int = 1, raises: bool = True
) -> CheckResult:
    """How often the model is asked: as often as ``evaluations(steps)`` promises, or ``expected`` times a step.

    Args:
        sampler: a solver or a step, see :mod:`workbench.checks.running`.
        expected: calls per step between positive times; None asks the solver.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.

    Raises:
        TypeError: for a plain step without ``expected``.
    """
    if expected is None and not hasattr(sampler, "evaluations"):
        raise TypeError("a plain step does not say how often it asks the model; pass expected=")
    refuse_class(sampler)
    law, problem = CheckMixture(VP()), None
    for n in (1, 2, 5, 9):
        for to_zero in (False, True) if expected is None else (False,):
            model = Counted(law)
            times = grids.log_snr(VP(), n, stop=0.0 if to_zero else None).tolist()
            x = law.spread(times[0])
            if hasattr(sampler, "plan"):
                generator = torch.Generator().manual_seed(0)
                calls = ask(type(sampler).__name__, solve, law, x, times, sampler, generator=generator).evaluations
            else:
                run(sampler, model, x, times, torch.Generator().manual_seed(0), digits=False)
                calls = model.calls
            if expected is not None:
                promised = expected * n
            else:
                promised = ask("evaluations(steps, to_zero=...)", sampler.evaluations, n, to_zero=to_zero)
            if calls != promised and problem is None:
                end = " with a last step to 0" if to_zero else ""
                problem = (
                    f"{calls} evaluations for {n} steps{end}, expected {promised}: usual cause: the model is asked again for "
                    "something already known, or two faces are asked where one gives both"
                )
    return conclude("counts_evaluations", problem, "as many evaluations as promised", points, raises)
