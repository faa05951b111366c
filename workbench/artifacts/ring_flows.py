"""Build ``ring-flows``, three rounds of rectified flow on the ring: ``python -m workbench.artifacts.ring_flows``

For each seed one small network is trained by flow matching (``round-1``) and rectified twice, with U-shaped times and the pseudo-Huber
loss (``round-2`` and ``round-3``).  Pairs are simulated by Heun's method.  What is measured is measured on the weights as they are
stored, in 16 bits.  A few minutes on one core.
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
from workbench.data import toys
from workbench.denoiser import Denoiser
from workbench.metrics import energy_distance
from workbench.network import NetworkDenoiser
from workbench.schedules import Rectified
from workbench.solvers import Euler

NAME = "ring-flows"
SEEDS = (0, 1, 2)
ROUNDS = ("round-1", "round-2", "round-3")
EVALUATIONS = (1, 2, 4, 64)
WIDTH, DEPTH = 128, 3
POINTS = 65_536  # of the ring, that the first round sees
Flows = dict[str, tuple[NetworkDenoiser, ...]]  # the flows of a round, one for each seed: flows["round-2"][0]


def trained(seed: int, *, steps: int, pairs: int, solver_steps: int, batch: int) -> dict[str, Denoiser]:
    """The flow of every round, from one generator."""
    generator = torch.Generator().manual_seed(seed)
    long = {"steps": steps, "batch": batch, "generator": generator}
    late = {"times": reflow.UShaped(4.0), "premetric": reflow.PseudoHuber()} | long

    def simulated(flow: Denoiser) -> reflow.Coupling:
        return reflow.pairs_of(flow, pairs, (2,), generator=generator, steps=solver_steps)

    net = nets.MLP(2, WIDTH, DEPTH, generator=generator)
    first = reflow.fit(net, reflow.independent(toys.ring(POINTS, generator=generator)), **long)
    second = reflow.fit(first, simulated(first), **late)
    return {"round-1": first, "round-2": second, "round-3": reflow.fit(second, simulated(second), **late)}


def measured(flow: Denoiser, seed: int, points: int) -> dict[str, float]:
    """Energy distance to fresh points of the ring by evaluations of Euler's method, straightness, and the cost of the flow's pairs.

    Noise and points of a seed are the same for all rounds, so differences between rounds are less noisy than the numbers.
    """
    generator = torch.Generator().manual_seed(10_000 + seed)
    noise = torch.randn(points, 2, generator=generator)
    fresh = toys.ring(points, generator=generator)
    euler = Euler(variable="t")
    row = {f"energy_{n}": energy_distance(reflow.simulate(flow, noise, solver=euler, steps=n), fresh) for n in EVALUATIONS}
    row["straightness"] = reflow.straightness(flow, noise, steps=16)
    row["cost"] = reflow.transport_cost(reflow.simulate(flow, noise, steps=16), noise)
    return row


def noise_floor(points: int, draws: int = 8) -> list[float]:
    """The energy distance between two draws of the ring itself: what no flow can be told apart from."""
    generator = torch.Generator().manual_seed(20_000)
    return [energy_distance(*(toys.ring(points, generator=generator) for _ in range(2))) for _ in range(draws)]


def build(
    folder: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    steps: int = 1500,
    pairs: int = 16_384,
    solver_steps: int = 16,
    batch: int = 256,
    points: int = 4096,
    hardware: str = "not stated",
) -> dict[str, Any]:
    """Train and measure, write the flows to ``folder``, and return their manifest entry.

    ``measured["rows"]`` has one row for each round and seed, ``measured["means"]`` the mean over seeds and its standard error.

    Args:
        folder: to write to.
        seeds: one set of flows for each.
        steps, batch: of every training.
        pairs: simulated for every round after the first.
        solver_steps: of Heun's method.
        points: that the flows are measured on.
        hardware: in words, for the record.

    Raises:
        ValueError: for no seeds, or seeds that repeat.
    """
    seeds = by_seed.distinct(seeds)
    begun, flows = time.perf_counter(), dict[str, list[Denoiser]]()
    for seed in tqdm(seeds, desc=NAME, unit="seed"):
        for name, flow in trained(seed, steps=steps, pairs=pairs, solver_steps=solver_steps, batch=batch).items():
            flows.setdefault(name, []).append(flow)
    spent = time.perf_counter() - begun
    content = by_seed.pack(flows)
    stored = unpack(content)
    rows = [
        {"round": name, "seed": seed} | measured(flow, seed, points)
        for name in ROUNDS
        for seed, flow in zip(seeds, stored[name], strict=True)
    ]
    settings = {"steps": steps, "pairs": pairs, "solver_steps": solver_steps, "batch": batch}
    return publish(
        NAME,
        content,
        folder,
        file=f"{NAME}.safetensors",
        kind="flows",
        source="ring",
        command=f"python -m workbench.artifacts.ring_flows --steps {steps} --pairs {pairs} --points {points}",
        measured={
            "words": f"Three rounds of rectified flow on the ring, seeds {', '.join(map(str, seeds))}; {steps} steps of {batch} a round.",
            "network": f"MLP, {WIDTH} x {DEPTH}",
            **settings,
            "seconds_of_training": round(spent),
            "hardware": hardware,
            "points": points,
            "noise_floor": noise_floor(points),
            "rows": rows,
            "means": means(rows),
        },
    )


def means(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """For every round and quantity the mean over seeds and its standard error (0 where there is one seed)."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in dict.fromkeys(row["round"] for row in rows):
        own = [row for row in rows if row["round"] == name]
        for key in own[0].keys() - {"round", "seed"}:
            values = torch.tensor([row[key] for row in own], dtype=torch.float64)
            spread = float(values.std()) / len(own) ** 0.5 if len(own) > 1 else 0.0
            found.setdefault(name, {})[key] = [float(values.mean()), spread]
    return {name: dict(sorted(values.items())) for name, values in found.items()}


def unpack(content: bytes) -> Flows:
    """Return the flows of every round, one for each seed. Raises ``ArtifactError`` for bytes that are something else."""
    return by_seed.unpack(content, ROUNDS, _flow, "flows of the ring")


def _flow(_: str, state: dict[str, Tensor]) -> NetworkDenoiser:
    net = nets.MLP(2, WIDTH, DEPTH, generator=torch.Generator())
    net.load_state_dict(state)
    return NetworkDenoiser(net.requires_grad_(False).eval(), Rectified(), "velocity")


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.plain(__doc__)
    parser.add_argument("--seeds", type=command_line.integers, default=SEEDS, help="with commas between them")
    parser.add_argument("--steps", type=int, default=1500, help="of every training")
    parser.add_argument("--pairs", type=int, default=16_384, help="simulated for every round")
    parser.add_argument("--points", type=int, default=4096, help="to measure on")
    parser.add_argument("--hardware", default="not stated", help="in words, for the record")
    command_line.run_plain(build, parser, argv)


if __name__ == "__main__":
    main()
