"""Schedulers of diffusers, driven on our own noise levels.  Several of them cast the state to float32: expect 1e-6."""

import pytest
import torch


def scheduler(name: str, **settings):
    """A scheduler of diffusers by the start of its class name; the test is skipped where diffusers is not installed."""
    return getattr(pytest.importorskip("diffusers"), f"{name}Scheduler")(**settings)


def drive(scheduler, model, x: torch.Tensor, grid, ask: str = "noise", **extra) -> torch.Tensor:
    """Run ``scheduler`` over the noise levels sigma / alpha of ``grid``, on a model of a variance-preserving schedule (or of VE).

    The scheduler's own levels are replaced after ``set_timesteps``; ``ask`` is the face that it is configured to be given.
    """
    schedule, times = model.schedule, [float(t) for t in grid]
    scheduler.set_timesteps(len(times) - 1)
    rho = torch.tensor([schedule.sigma(t) / schedule.alpha(t) for t in times], dtype=torch.float64)
    scheduler.sigmas = rho
    scheduler.timesteps = torch.arange(len(times) - 1, 0, -1)
    scheduler.num_inference_steps = len(times) - 1
    for t, n in zip(times, scheduler.timesteps, strict=False):
        x = scheduler.step(getattr(model, ask)(x, t), n, x, **extra).prev_sample
    return x
