"""Sampling without a grid: every sample of the batch takes the steps that its own error estimate allows."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, at_least_single, per_sample
from workbench.solution import AdaptiveSolution, Counted, check_state
from workbench.solve import check_grid, check_instance, check_model
from workbench.solvers.dpm_solver_pairs import DPMSolver23, Pair
from workbench.solvers.staged import Stage

SHRINK, GROW = 0.1, 10.0  # how much the next step may differ from the last


def solve_adaptive(
    model: Denoiser,
    x: Float[Tensor, "batch *shape"],
    start: float,
    stop: float,
    solver: Pair | None = None,
    rtol: float = 0.05,
    atol: float = 0.0078,
    *,
    h0: float = 0.05,
    safety: float = 0.9,
    max_evaluations: int = 10_000,
    trajectory: bool = False,
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
) -> AdaptiveSolution:
    """Carry the state ``x`` at ``start`` to ``stop`` in steps of lambda chosen, sample by sample, by an embedded pair.

    A step of size h is kept where  E = rms((high - low) / max(atol, rtol max(|low|, |x|)))  over the sample's entries is at most 1;
    kept or not, the next h is  safety h E^(-1 / order),  at most ten times and at least a tenth of the last, and never beyond
    ``stop``.  The first look of a step that was rejected is remembered.

    What a sample becomes, and what it costs, does not depend on the rest of the batch.  The model is always called with the whole
    batch, in order, and with a (batch,) tensor of times; samples that have arrived are asked about and left alone.

    stop = 0 means: integrate to ``schedule.t_last``, then finish with the data prediction.  From a start with alpha = 0 the first
    step is DDIM, in data form, to ``schedule.t_first``.  An increasing pair of times inverts, with the limits of :func:`workbench.solve`.

    Args:
        model: what to sample.
        x: the state at ``start``.
        start, stop: times of ``model.schedule``.
        solver: ``wb.solvers.DPMSolver12`` or ``DPMSolver23`` (the default).
        rtol, atol: tolerances of the lower-order result of one step; the defaults are the paper's, for data in [-1, 1].
        h0: the first step, in lambda.
        safety: how much of the step that would just pass is taken, between 0 and 1.
        max_evaluations: a sample that would need more raises.
        trajectory: keep state and time of every sample after every round.
        callback: called as ``callback(i, t, x)`` after round i, with the (batch,) times at which the samples are.

    Raises:
        ValueError, TypeError: for a bad state, time, solver or setting, before the model is called; later for a model whose answer
            is not finite, and for a sample that does not arrive within ``max_evaluations``.

    Paper: ``lu2022dpmsolver``; there the largest error of the batch decides for all.
    """
    solver = _checked(DPMSolver23() if solver is None else solver, rtol, atol, h0, safety, max_evaluations)
    check_model(model)
    start, stop = check_grid([start, stop], model.schedule, solver)
    check_state(x)
    counted, account = Counted(model), Account(len(x), max_evaluations)
    with torch.no_grad():
        state = at_least_single(x)
        clock = torch.full((len(x),), start, dtype=torch.float64)
        path = [(clock, state)]
        rounds = _rounds(counted, solver, state, start, stop, (rtol, atol, h0, safety), account)
        for i, (clock, state) in enumerate(rounds):
            if trajectory:
                path.append((clock, state))
            if callback is not None:
                callback(i, clock, state)
    times, xs = (torch.stack(part) for part in zip(*path, strict=True)) if trajectory else (None, None)
    return AdaptiveSolution(
        x=state.to(x.dtype),
        xs=None if xs is None else xs.to(x.dtype),
        grid=torch.tensor([start, stop], dtype=torch.float64),
        evaluations=account.spent,
        solver=solver,
        model_cost=getattr(model, "cost", 1),
        accepted=account.accepted,
        rejected=account.rejected,
        calls=counted.calls,
        times=times,
    )


class Account:
    """What every sample has cost so far, and the steps that it took and threw away."""

    def __init__(self, batch: int, most: int) -> None:
        self.spent, self.accepted, self.rejected = (torch.zeros(batch, dtype=torch.int64) for _ in range(3))
        self.most = most

    def spend(self, calls: Tensor | int, t: Tensor) -> None:
        """Charge every sample; refuse where that would go beyond the limit."""
        self.spent = self.spent + calls
        if bool((over := self.spent > self.most).any()):
            i = int(over.nonzero()[0])
            raise ValueError(
                f"sample {i} has not arrived after max_evaluations = {self.most} (it is at t = {t[i].item():.4g}); loosen rtol and atol "
                "(they may be below the precision of the state or of the model), take the pair of higher order, or raise max_evaluations"
            )


def _rounds(model: Counted, pair: Pair, x: Tensor, start: float, stop: float, settings: tuple, account: Account):
    """Yield the times and the states of all samples after each round: singular start, attempted steps, singular end."""
    schedule, now = model.schedule, start
    clock = lambda t: torch.full((len(x),), t, dtype=torch.float64)  # noqa: E731
    if schedule.alpha(now) == 0:
        after = max(stop, schedule.t_first)
        account.spend(1, clock(now))
        x = (schedule.sigma(after) / schedule.sigma(now) * x).add_(model.data(x, now), alpha=schedule.alpha(after))
        now = after
        yield clock(now), x
    end = stop if stop > 0 else min(schedule.t_last, now)
    if end != now:
        steps = _steps(model, pair, x, now, end, settings, account)
        for t, x in steps:
            yield t, x
    if stop == 0:
        account.spend(1, clock(end))
        yield clock(0.0), model.data(x, end)


def _steps(model: Counted, pair: Pair, x: Tensor, start: float, end: float, settings: tuple, account: Account):
    rtol, atol, h0, safety = settings
    schedule, ask, goal = model.schedule, getattr(model, pair.face), model.schedule.log_snr(end)
    t = torch.full((len(x),), start, dtype=torch.float64)
    h, sign, answer = torch.full_like(t, h0), math.copysign(1.0, start - end), None
    active = new = torch.ones(len(x), dtype=torch.bool)
    while bool(active.any()):
        clock = schedule.log_snr(t)
        rest = (goal - clock).abs()
        last, h = h >= rest * (1 - 1e-9), torch.minimum(h, rest)
        s = torch.where(last, end, schedule.inverse_log_snr(clock + sign * h))
        # who has arrived is given the weights of some valid step, asked where it stands, and left alone below
        row = pair.paired(schedule, torch.where(active, t, start), torch.where(active, s, end))
        account.spend(torch.where(active, len(row.stages) - 1 + new.long(), 0), t)
        if answer is None or bool((active & new).any()):
            answer = ask(x, t)
        answers = [answer]
        for stage in row.stages[1:]:
            answers.append(ask(_combine(x, stage, answers), torch.where(active, stage.t, end)))
        high, low = _combine(x, row.high, answers), _combine(x, row.low, answers[: len(row.low.weights)])
        error = _error(high, low, x, rtol, atol)
        _check_finite(error, active, t, s)
        new = active & (error <= 1)
        account.accepted, account.rejected = account.accepted + new, account.rejected + (active & ~new)
        x, t = torch.where(_shaped(new, x), high, x), torch.where(new, s, t)
        factor = (safety * error ** (-1 / pair.order)).clamp(SHRINK, GROW)
        h, active = torch.where(active, h * factor, 1.0), active & ~(new & last)
        yield t, x


def _combine(x: Tensor, stage: Stage, answers: list[Tensor]) -> Tensor:
    """scale * x + sum of weights times answers, every sample with its own."""
    out = per_sample(stage.scale, x) * x
    for weight, answer in zip(stage.weights, answers, strict=True):
        out = out + per_sample(weight, x) * answer
    return out


def _shaped(mask: Tensor, x: Tensor) -> Tensor:
    return mask.to(x.device).view(-1, *[1] * (x.ndim - 1))


def _error(high: Tensor, low: Tensor, x: Tensor, rtol: float, atol: float) -> Tensor:
    """E of every sample, (batch,) float64 on the CPU."""
    allowed = (rtol * torch.maximum(low.abs(), x.abs())).clamp(min=atol)
    return ((high - low) / allowed).flatten(1).square().mean(1).sqrt().to("cpu", torch.float64)


def _check_finite(error: Tensor, active: Tensor, t: Tensor, s: Tensor) -> None:
    lost = active & ~error.isfinite()
    if bool(lost.any()):
        i = int(lost.nonzero()[0])
        raise ValueError(
            f"the model's answer for sample {i} is not finite in the step from t = {t[i].item():.4g} to {s[i].item():.4g}; check the "
            "model there, or start at schedule.t_first and stop at schedule.t_last"
        )


def _checked(solver: Any, rtol: float, atol: float, h0: float, safety: float, max_evaluations: int) -> Pair:
    check_instance(solver)
    if not isinstance(solver, Pair):
        raise TypeError(
            f"adaptive steps need a pair of orders, got {type(solver).__name__}; use wb.solvers.DPMSolver12() or DPMSolver23() "
            "(wb.solve runs the others on a grid)"
        )
    for name, value, least in (("rtol", rtol, "0 <="), ("atol", atol, "0 <"), ("h0", h0, "0 <")):
        if not math.isfinite(value) or value < 0 or (value == 0 and least == "0 <"):
            raise ValueError(f"{name} must be finite and {least} {name}, got {value}")
    if not 0 < safety < 1:
        raise ValueError(f"safety is a part of the step that would just pass, between 0 and 1; got {safety}")
    if isinstance(max_evaluations, bool) or not isinstance(max_evaluations, int) or max_evaluations < 1:
        raise ValueError(f"max_evaluations must be an int of at least 1, got {max_evaluations!r}")
    return solver
