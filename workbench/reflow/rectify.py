"""Rectify a flow: follow it from noise to its ends, and train the next one on the straight lines between them."""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.draws import Generators, check_generators, normal
from workbench.grids import uniform
from workbench.nets.training.flow_matching import Premetric, TimeDensity
from workbench.nets.training.rates import Rate
from workbench.nets.training.trainer import network_of
from workbench.reflow.couplings import Paired, paired
from workbench.reflow.fit import fit
from workbench.schedules import Rectified
from workbench.solve import solve
from workbench.solvers import Heun, Solver


def simulate(
    flow: Denoiser,
    noise: Float[Tensor, "n *shape"],
    *,
    solver: Solver | None = None,
    steps: int = 32,
    batch: int = 8192,
) -> Float[Tensor, "n *shape"]:
    """Where the flow carries this noise: solved from t = 1 to 0 on a uniform grid.

    Args:
        flow: a denoiser on ``Rectified()``.
        noise: the states at t = 1.
        solver: one that takes both ends of ``Rectified()``; ``Heun(variable="t")`` by default.
        steps: of the solver.
        batch: samples at a time.

    Raises:
        ValueError: for a flow that is not on ``Rectified()``, or no steps.
    """
    if not isinstance(flow.schedule, Rectified):
        raise ValueError(
            f"simulate needs a flow on Rectified(), got one on {type(flow.schedule).__name__}; use flow.on(Rectified())"
        )
    grid = uniform(flow.schedule, steps, start=1.0, stop=0.0)
    method = solver or Heun(variable="t")
    return torch.cat([solve(flow, part, grid, method).x for part in noise.split(batch)])


def pairs_of(
    flow: Denoiser, number: int, shape: tuple[int, ...], *, generator: Generators, solver: Solver | None = None, steps: int = 32
) -> Paired:
    """The coupling of noise with the ends of its flow: what the next round trains on.

    Raises:
        ValueError: as :func:`simulate`, for less than one pair, or ends that are not finite.
    """
    check_generators(generator, number, "pairs_of")
    if number < 1:
        raise ValueError(f"number={number}; at least one pair is needed")
    noise = normal((number, *shape), generator, torch.float32, "cpu")
    return paired(simulate(flow, noise, solver=solver, steps=steps), noise)


def rectify(
    flow: Denoiser,
    *,
    generator: torch.Generator,
    shape: tuple[int, ...] = (2,),
    rounds: int = 1,
    pairs: int = 50_000,
    solver: Solver | None = None,
    solver_steps: int = 32,
    steps: int = 1500,
    batch: int = 512,
    rate: float = 1e-2,
    schedule: Rate | None = None,
    times: TimeDensity | None = None,
    premetric: Premetric | None = None,
    checkpoint: Path | None = None,
    save_every: int = 500,
    progress: bool = False,
) -> Denoiser:
    """Return the flow after ``rounds`` rounds of: draw noise, follow the flow to its ends, train on the lines between both.

    Each round keeps the law of every x_t and never raises the transport cost; for Gaussian data one round makes every path straight.
    A round starts from the weights of the one before.  Paper: ``liu2023rectified``; ``times`` and ``premetric``: ``lee2024rfpp``.

    Args:
        flow: a trained flow with a field ``net``.
        generator: draws the noise of the pairs, and the seed of each training.
        shape: of a sample.
        rounds: how often.
        pairs: simulated in each round.
        solver, solver_steps: how the flow is followed, see :func:`simulate`.
        steps, batch, rate, schedule, times, premetric, save_every, progress: of the training, see :func:`fit`.
        checkpoint: as for :func:`fit`, with a file for each round: ``run.pt`` stands for ``run-1.pt``, ``run-2.pt``, ...  The pairs are
            simulated again when an interrupted call is repeated.

    Raises:
        ValueError, TypeError: before any work, for what cannot be simulated or trained.
        CheckpointError: for checkpoints of another run.
    """
    if rounds < 1:
        raise ValueError(f"rounds={rounds}; at least one is needed")
    network_of(flow)
    for number in range(1, rounds + 1):
        coupling = pairs_of(flow, pairs, shape, generator=generator, solver=solver, steps=solver_steps)
        own = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.stem}-{number}{checkpoint.suffix}")
        flow = fit(
            replace(flow), coupling, steps=steps, generator=generator, times=times, premetric=premetric, batch=batch, rate=rate,
            schedule=schedule, checkpoint=own, save_every=save_every, progress=progress,
        )  # fmt: skip
    return flow
