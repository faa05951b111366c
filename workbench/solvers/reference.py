"""The truth to measure against, where no closed form exists: SciPy's DOP853 at tight tolerances."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.solution import Counted, Solution, check_state


def reference(
    model: Denoiser,
    x: Float[Tensor, "batch *shape"],
    start: float,
    stop: float,
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> Solution:
    """Integrate the probability-flow ODE from ``start`` to ``stop`` with an adaptive Runge-Kutta method of order 8.

    The variable is lambda = log(alpha / sigma), in which  d(x / alpha) / dlambda = -(sigma / alpha) noise;  from a start with
    alpha = 0 it is t, with the velocity.  stop = 0 integrates to ``schedule.t_last`` and finishes with the data prediction
    (to 0 itself where the velocity is regular).  The whole batch takes the same steps, in float64: a reference, not a sampler.
    The model is asked in the dtype of ``x``, so give a float64 state (and model) where it matters.
    Paper: ``hairer1993solving``.

    Args:
        model: the denoiser.
        x: the state at ``start``.
        start, stop: times of ``model.schedule``, either way round.
        rtol, atol: tolerances per step, relative and absolute.

    Raises:
        ValueError: for equal ends, ends outside the schedule, or an integration that fails.
    """
    from scipy.integrate import solve_ivp

    check_state(x)
    schedule, counted = model.schedule, Counted(model)
    start, stop = float(start), float(stop)
    schedule.alpha(start), schedule.alpha(stop)
    if start == stop:
        raise ValueError(f"start and stop are both {start}; there is nothing to integrate")
    if start == 0 and not schedule.regular_ends:
        raise ValueError(f"the integration starts at 0, where sigma = 0; start it at t_last = {schedule.t_last}")
    in_time = schedule.alpha(start) == 0 or schedule.alpha(stop) == 0 or (schedule.regular_ends and 0 in (start, stop))
    finish = stop == 0 and not schedule.regular_ends
    end = schedule.t_last if finish else stop
    state = x.detach().to(torch.float64)

    def slope(clock: float, flat: np.ndarray) -> np.ndarray:
        y = torch.from_numpy(flat.copy()).view(x.shape)
        if in_time:
            return counted.velocity(y.to(x), float(clock)).double().cpu().numpy().ravel()
        t = min(schedule.inverse_log_snr(clock), schedule.t_max)
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return (counted.noise((alpha * y).to(x), t).double() * (-sigma / alpha)).cpu().numpy().ravel()

    clock = (lambda t: t) if in_time else schedule.log_snr
    scale = (lambda t: 1.0) if in_time else schedule.alpha
    with torch.no_grad():
        flat = (state / scale(start)).cpu().numpy().ravel()
        run = solve_ivp(slope, (clock(start), clock(end)), flat, method="DOP853", rtol=rtol, atol=atol)
        if not run.success:
            raise ValueError(f"the reference integration from {start} to {end} failed: {run.message}")
        out = torch.from_numpy(run.y[:, -1].copy()).view(x.shape).to(x.device) * scale(end)
        if finish:
            out = counted.data(out.to(x), end).double()
    return Solution(out, None, torch.tensor([start, stop], dtype=torch.float64), counted.calls, Reference())


class Reference:
    """Names the method in a Solution."""

    paper = "hairer1993solving"
