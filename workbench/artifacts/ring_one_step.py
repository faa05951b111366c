"""Build ``ring-one-step``, four ways to one evaluation on the ring: ``python -m workbench.artifacts.ring_one_step``

For each seed four networks of one size, each with the exact law of the ring as its teacher or its data: ``rectified`` (on the ends of
the exact flow, U-shaped times, pseudo-Huber loss), ``distilled`` (the rectified one, further on the same pairs at t = 1 alone),
``consistency`` (consistency distillation of the exact flow) and ``minibatch-ot`` (flow matching with batches paired at the least cost).
Nothing is measured here: a chapter does, on the weights as they are stored.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from workbench import nets, reflow
from workbench.artifacts import by_seed, command_line
from workbench.artifacts.manifest import publish
from workbench.characters import ring
from workbench.data import toys
from workbench.denoiser import Denoiser
from workbench.network import NetworkDenoiser
from workbench.schedules import VE, Rectified

NAME = "ring-one-step"
SEEDS = (0, 1, 2)
ROADS = ("rectified", "distilled", "consistency", "minibatch-ot")
WIDTH, DEPTH = 64, 3
START, STOP, INTERVALS, SIGMA_DATA = 80.0, 0.02, 12, 1.4
Roads = dict[str, tuple[Denoiser, ...]]  # the models of a road, one for each seed: roads["distilled"][0]


def trained(seed: int, *, steps: int, pairs: int, solver_steps: int, batch: int) -> dict[str, Denoiser]:
    """The model of every road, from one generator and one start."""
    generator = torch.Generator().manual_seed(seed)
    net = nets.MLP(2, WIDTH, DEPTH, generator=generator)
    points = toys.ring(pairs, generator=generator)
    coupling = reflow.pairs_of(ring(Rectified()), pairs, (2,), generator=generator, steps=solver_steps)
    long = {"steps": steps, "batch": batch, "generator": generator}
    huber = {"premetric": reflow.PseudoHuber()}
    rectified = reflow.fit(net, coupling, times=reflow.UShaped(4.0), **huber, **long)
    grid = {"start": START, "stop": STOP, "intervals": INTERVALS, "sigma_data": SIGMA_DATA}
    return {
        "rectified": rectified,
        "distilled": reflow.distill(rectified, coupling, **huber, **(long | {"steps": max(1, steps // 2)})),
        "consistency": reflow.distill_consistency(net, ring(VE()), points, **grid, **long),
        "minibatch-ot": reflow.fit(net, reflow.minibatch_ot(points), **long),
    }


def build(
    folder: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    steps: int = 1500,
    pairs: int = 20_000,
    solver_steps: int = 24,
    batch: int = 256,
    hardware: str = "not stated",
) -> dict[str, Any]:
    """Train, write the networks to ``folder``, and return their manifest entry.

    Args:
        folder: to write to.
        seeds: one model of each road for each.
        steps, batch: of every training; distillation goes on for half as many.
        pairs: of noise and end of the exact flow, and points of the ring for the roads that want data.
        solver_steps: of Heun's method, for the pairs.
        hardware: in words, for the record.

    Raises:
        ValueError: for no seeds, or seeds that repeat.
    """
    seeds = by_seed.distinct(seeds)
    begun, roads = time.perf_counter(), dict[str, list[Denoiser]]()
    settings = {"steps": steps, "pairs": pairs, "solver_steps": solver_steps, "batch": batch}
    for seed in tqdm(seeds, desc=NAME, unit="seed"):
        for name, model in trained(seed, **settings).items():
            roads.setdefault(name, []).append(model)
    return publish(
        NAME,
        by_seed.pack(roads),
        folder,
        file=f"{NAME}.safetensors",
        kind="one-step",
        source="ring",
        command=f"python -m workbench.artifacts.ring_one_step --steps {steps} --pairs {pairs}",
        measured={
            "words": f"Four ways to one evaluation on the ring, seeds {', '.join(map(str, seeds))}; {steps} steps of {batch} each.",
            "network": f"MLP, {DEPTH} x {WIDTH}",
            **settings,
            "seconds_of_training": round(time.perf_counter() - begun),
            "hardware": hardware,
        },
    )


def unpack(content: bytes) -> Roads:
    """Return the models of every road, one for each seed. Raises ``ArtifactError`` for bytes that are something else."""
    return by_seed.unpack(content, ROADS, _model, "one-step models of the ring")


def _model(name: str, state: dict[str, Tensor]) -> Denoiser:
    net = nets.MLP(2, WIDTH, DEPTH, generator=torch.Generator())
    net.load_state_dict(state)
    net = net.requires_grad_(False).eval()
    return (
        reflow.ConsistencyFunction(net, SIGMA_DATA, STOP)
        if name == "consistency"
        else NetworkDenoiser(net, Rectified(), "velocity")
    )


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.plain(__doc__)
    parser.add_argument("--seeds", type=command_line.integers, default=SEEDS, help="with commas between them")
    parser.add_argument("--steps", type=int, default=1500, help="of every training")
    parser.add_argument("--pairs", type=int, default=20_000, help="ends of the exact flow, and points of the ring")
    parser.add_argument("--hardware", default="not stated", help="in words, for the record")
    command_line.run_plain(build, parser, argv)


if __name__ == "__main__":
    main()
