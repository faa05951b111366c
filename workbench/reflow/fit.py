"""Train a velocity on a coupling, in one call: flow matching, and each round of a rectified flow."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from workbench.denoiser import Denoiser
from workbench.nets import fit as fit_samples
from workbench.nets.training.flow_matching import FlowMatching, Premetric, Squared, TimeDensity
from workbench.nets.training.rates import Rate
from workbench.nets.training.trainer import Step
from workbench.network import NetworkDenoiser
from workbench.reflow.couplings import Coupling
from workbench.reflow.times import Uniform
from workbench.schedules import Rectified


def fit(
    net: nn.Module | Denoiser,
    coupling: Coupling,
    *,
    steps: int,
    generator: torch.Generator,
    times: TimeDensity | None = None,
    premetric: Premetric | None = None,
    batch: int = 512,
    rate: float = 1e-2,
    schedule: Rate | None = None,
    drop: float = 0.15,
    halflife: float = 50_000,
    checkpoint: Path | None = None,
    save_every: int = 500,
    progress: bool = False,
    callback: Callable[[Step, Denoiser], object] | None = None,
) -> Denoiser:
    """Return a flow, trained to the velocity of the lines x_t = (1 - t) x_0 + t z between the samples and noise of ``coupling``.

        flow = wb.reflow.fit(wb.nets.MLP(2, generator=rng), wb.reflow.independent(x0), steps=1500, generator=rng)

    The loss is  E premetric(velocity(x_t, t), z - x_0),  t drawn from ``times``.  What is given is left as it is.
    Papers: ``lipman2023flow``, ``liu2023rectified``.

    Args:
        net: a network, taken as the velocity itself; or a flow to go on from, a denoiser on ``Rectified()`` with a field ``net``.
        coupling: ``independent(x0)``, ``paired(x0, noise)`` or ``minibatch_ot(x0)``.
        steps: of the optimizer.
        generator: one number is drawn from it, the seed of all that follows.
        times: density of t, ``Uniform()`` by default.
        premetric: how a velocity is judged, ``Squared()`` by default.
        batch, rate, schedule, drop, halflife, checkpoint, save_every, progress, callback: as for :func:`workbench.nets.fit`.

    Returns:
        The flow with the average of the weights: a denoiser on ``Rectified()`` that predicts the velocity.

    Raises:
        ValueError, TypeError: for what cannot be trained, before any work.
        CheckpointError: for a checkpoint of another run.
        NonFiniteLoss: when training breaks down, saying at which step, for which samples and times.
    """
    if not isinstance(coupling, Coupling):
        raise TypeError(f"coupling is {type(coupling).__name__}; couple the samples with noise: wb.reflow.independent(x0)")
    model = net if isinstance(net, Denoiser) else NetworkDenoiser(net, Rectified(), "velocity")
    objective = FlowMatching(times or Uniform(), premetric or Squared())
    objective.check(model)
    return fit_samples(
        model, coupling.x0, steps=steps, generator=generator, batch=batch, rate=rate, schedule=schedule, objective=objective,
        labels=coupling.labels, partners=coupling, drop=drop, halflife=halflife,
        checkpoint=checkpoint, save_every=save_every, progress=progress, callback=callback,
    )  # fmt: skip
