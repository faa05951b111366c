"""Checks of models: is it a score, a denoiser, an exact flow?"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.checks.answers import diagnose
from workbench.checks.asking import Problem, ask, check, numbers
from workbench.checks.result import CheckResult, conclude
from workbench.denoiser import Denoiser

_SEED = 0x5C02E  # not one that data are likely drawn with: the same seed gives noise equal to the data


@check
def is_score_of(
    score: Callable[[Tensor], Tensor],
    log_prob: Callable[[Tensor], Tensor],
    at: Tensor,
    *,
    sigma: float | None = None,
    rtol: float = 1e-5,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """score(x) is the gradient of log_prob(x), by automatic differentiation.

    Args:
        score: (batch, \\*shape) to the same shape.
        log_prob: (batch, \\*shape) to (batch,).
        at: where to compare, (batch, \\*shape); taken to float64.
        sigma: the noise level, if there is one: then the message can tell a sigma too few or too many.
        rtol: relative tolerance, of the largest component.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    gradient = _gradient(log_prob, at.detach().to(torch.float64))
    answer = ask("score(x)", score, at.detach().to(torch.float64, copy=True))
    got = numbers(answer, None, "the score")
    problem = None
    if got.shape != gradient.shape:
        problem = f"the score has shape {tuple(got.shape)}, expected {tuple(gradient.shape)}: the shape of x"
    elif not torch.allclose(got, gradient, rtol=0, atol=rtol * float(gradient.abs().max()) + 1e-12):
        problem = f"not the gradient of log_prob: {diagnose(got, gradient, {'sigma': sigma} if sigma else None, max(rtol, 1e-6))}"
    return conclude("is_score_of", problem, f"equal to the gradient at {len(at)} points", points, raises)


def _gradient(log_prob: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    with torch.enable_grad():
        value = ask("log_prob(x)", log_prob, x)
        linked = isinstance(value, Tensor) and value.requires_grad
        (gradient,) = torch.autograd.grad(value.sum(), x, allow_unused=True) if linked else (None,)
    if gradient is None:
        numbers(value, None, "log_prob(x)")
        raise Problem(
            "log_prob(x) has no gradient with respect to x: usual cause: detach(), item(), numpy or torch.no_grad() on the way, "
            "or a new tensor made of the values of x"
        )
    if not bool(gradient.isfinite().all()):
        raise Problem("the gradient of log_prob is not finite: usual cause: the logarithm of a density that is zero at such an x")
    return gradient


@check
def is_denoiser(
    model: Denoiser,
    x0: Tensor,
    *,
    times: tuple[float, ...] = (0.2, 0.5, 0.8),
    generator: torch.Generator | None = None,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """The four faces agree with one another, and data(x, t) is the posterior mean E[x_0 | x_t].

    The posterior mean is the one predictor whose residual x_0 - data(x_t) is uncorrelated with every function of x_t; tested on
    1, x_t, tanh(x_t) and cos(x_t) with fresh noise on the samples ``x0``, to 5 standard errors.

    Args:
        model: the denoiser.
        x0: many samples of the data that it claims to know, (batch, \\*shape).
        times: times of its schedule.
        generator: draws the noise; must not be seeded as the one that drew x0.  If None, one with a seed of the check's own.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    generator = torch.Generator().manual_seed(_SEED) if generator is None else generator
    problem = None
    s = ask("model.schedule", getattr, model, "schedule")
    rtol = max(1e-6, 64 * torch.finfo(x0.dtype).eps)
    for t in times:
        alpha, sigma = s.alpha(t), s.sigma(t)
        x = alpha * x0 + sigma * torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
        face = {name: _face(model, name, x, t) for name in ("data", "noise", "score", "velocity")}
        x, data = x.to(torch.float64), face.pop("data")
        up, rise = s.d_alpha(t), s.d_sigma(t)
        pairs = {
            "noise": (1 / sigma, -alpha / sigma),
            "score": (-1 / sigma**2, alpha / sigma**2),
            "velocity": (rise / sigma, up - rise * alpha / sigma),
        }
        for name, got in face.items():
            c_x, c_out = pairs[name]
            wanted = c_x * x + c_out * data
            # The two terms may cancel (the velocity of N(0, 1) on VP is 0): rounding is of the size they have before that.
            size = abs(c_x) * float(x.abs().max()) + abs(c_out) * float(data.abs().max())
            if not torch.allclose(got, wanted, rtol=0, atol=rtol * size):
                why = diagnose(got, wanted, {"sigma": sigma, "alpha": alpha})
                problem = problem or f"{name} and data disagree at t = {t}: {why}"
        residual = x0 - data
        for name, probe in {"1": torch.ones_like(x), "x": x, "tanh(x)": x.tanh(), "cos(x)": x.cos()}.items():
            product = (residual * probe).flatten(1).mean(1)
            rounding = rtol * float(x0.abs().max() * probe.abs().max())
            z = float(product.mean() / (product.std() / math.sqrt(len(x)) + rounding + 1e-12))
            if abs(z) > 5:
                cause = "a shifted mean" if name == "1" else "a wrong variance or factor in the shrinkage towards the mean"
                problem = problem or (
                    f"data is not the posterior mean at t = {t}: its residual is correlated with {name} ({z:.0f} standard errors): "
                    f"usual cause: {cause}"
                )
    return conclude("is_denoiser", problem, f"consistent faces and a posterior mean at t = {times}", points, raises)


def _face(model: Denoiser, name: str, x: Tensor, t: float) -> Tensor:
    call = f"{name}(x, {t})"
    return numbers(ask(call, getattr(model, name), x.clone(), t), x.shape, call)


@check
def flows_to(
    flow: Callable[[Tensor, float, float], Tensor],
    law: Any,
    x: Tensor,
    *,
    times: tuple[float, ...] = (0.8, 0.5, 0.2),
    rtol: float = 1e-4,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """flow(x, t, s) carries x along the probability flow of ``law`` from t to s.

    It must leave x alone for s = t, its two legs must compose, and it must move with the law's velocity: d flow / ds equals
    law.velocity(flow(x, t, s), s), by central differences in float64.

    Args:
        flow: the map (x, t, s) -> x_s.
        law: a denoiser.
        x: states at times[0], (batch, \\*shape).
        times: decreasing times of the law's schedule.
        rtol: relative tolerance of the speed.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    x, t, problem = x.to(torch.float64), times[0], None

    def go(x: Tensor, t: float, s: float) -> Tensor:
        return numbers(ask("flow(x, t, s)", flow, x.clone(), t, s), x.shape, f"flow(x, {t:.6g}, {s:.6g})")

    if not torch.allclose(go(x, t, t), x, rtol=1e-9, atol=1e-9):
        problem = f"flow(x, t, t) is not x: {diagnose(go(x, t, t), x)}"
    for s in times:
        h = 1e-5 * s
        speed = (go(x, t, s + h) - go(x, t, s - h)) / (2 * h)
        wanted = law.velocity(go(x, t, s), s)
        if problem is None and not torch.allclose(speed, wanted, rtol=0, atol=rtol * (float(wanted.abs().max()) + 1e-3)):
            problem = (
                f"at s = {s} it does not move with the law's velocity: {diagnose(speed, wanted, rtol=1e-4)}: usual cause: variance in "
                "place of standard deviation in the ratio of widths, or the mean not scaled by alpha"
            )
    for middle, last in itertools.pairwise(times):
        legs = go(go(x, t, middle), middle, last)
        if problem is None and not torch.allclose(legs, go(x, t, last), rtol=1e-7, atol=1e-7):
            problem = (
                f"going by way of t = {middle} leads elsewhere than going straight: usual cause: a time used in the wrong place"
            )
    return conclude("flows_to", problem, "moves with the law's velocity, and composes", points, raises)
