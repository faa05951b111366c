"""Checks of models: is it a score, a denoiser, an exact flow?"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.checks.answers import diagnose
from workbench.checks.result import CheckResult, conclude
from workbench.denoiser import Denoiser


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
    x = at.detach().to(torch.float64).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(log_prob(x).sum(), x)
    got = score(x.detach())
    problem = None
    if got.shape != gradient.shape:
        problem = f"the score has shape {tuple(got.shape)}, expected {tuple(gradient.shape)}: the shape of x"
    elif not torch.allclose(got, gradient, rtol=0, atol=rtol * float(gradient.abs().max()) + 1e-12):
        problem = f"not the gradient of log_prob: {diagnose(got, gradient, {'sigma': sigma} if sigma else None, max(rtol, 1e-6))}"
    return conclude("is_score_of", problem, f"equal to the gradient at {len(x)} points", points, raises)


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
        generator: draws the noise; seeded with 0 if None.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    problem = None
    for t in times:
        s = model.schedule
        alpha, sigma = s.alpha(t), s.sigma(t)
        x = alpha * x0 + sigma * torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
        data = model.data(x, t)
        noise = (x - alpha * data) / sigma
        faces = {"noise": noise, "score": -noise / sigma, "velocity": s.d_alpha(t) * data + s.d_sigma(t) * noise}
        for face, wanted in faces.items():
            got = getattr(model, face)(x, t)
            if not torch.allclose(got, wanted, rtol=0, atol=1e-6 * float(wanted.abs().max()) * max(1, alpha / sigma)):
                why = diagnose(got, wanted, {"sigma": sigma, "alpha": alpha})
                problem = problem or f"{face} and data disagree at t = {t}: {why}"
        residual = x0 - data
        for name, probe in {"1": torch.ones_like(x), "x": x, "tanh(x)": x.tanh(), "cos(x)": x.cos()}.items():
            product = (residual * probe).flatten(1).mean(1)
            z = float(product.mean() / (product.std() / math.sqrt(len(x)) + 1e-12))
            if abs(z) > 5:
                cause = "a shifted mean" if name == "1" else "a wrong variance or factor in the shrinkage towards the mean"
                problem = problem or (
                    f"data is not the posterior mean at t = {t}: its residual is correlated with {name} ({z:.0f} standard errors): "
                    f"usual cause: {cause}"
                )
    return conclude("is_denoiser", problem, f"consistent faces and a posterior mean at t = {times}", points, raises)


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
    x, t = x.to(torch.float64), times[0]
    problem = None
    if not torch.allclose(flow(x, t, t), x, rtol=1e-9, atol=1e-9):
        problem = f"flow(x, t, t) is not x: {diagnose(flow(x, t, t), x)}"
    for s in times:
        h = 1e-5 * s
        speed = (flow(x, t, s + h) - flow(x, t, s - h)) / (2 * h)
        wanted = law.velocity(flow(x, t, s), s)
        if problem is None and not torch.allclose(speed, wanted, rtol=0, atol=rtol * (float(wanted.abs().max()) + 1e-3)):
            problem = (
                f"at s = {s} it does not move with the law's velocity: {diagnose(speed, wanted, rtol=1e-4)}: usual cause: variance in "
                "place of standard deviation in the ratio of widths, or the mean not scaled by alpha"
            )
    for middle, last in itertools.pairwise(times):
        legs = flow(flow(x, t, middle), middle, last)
        if problem is None and not torch.allclose(legs, flow(x, t, last), rtol=1e-7, atol=1e-7):
            problem = (
                f"going by way of t = {middle} leads elsewhere than going straight: usual cause: a time used in the wrong place"
            )
    return conclude("flows_to", problem, "moves with the law's velocity, and composes", points, raises)
