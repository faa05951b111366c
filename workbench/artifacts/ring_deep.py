"""Build ``ring-deep``, a flow of the ring with many narrow layers: ``python -m workbench.artifacts.ring_deep``

Nine layers, seven of them of one size: small enough to be asked thousands of times on one page, deep enough that layers can be told apart.
The weights are stored in float16, so that what a chapter says of them does not depend on the machine.
"""

import time
from pathlib import Path
from typing import Any

import torch

from workbench import metrics, nets, reflow
from workbench.artifacts import command_line
from workbench.artifacts.manifest import publish
from workbench.artifacts.networks import pack
from workbench.data.toys import ring
from workbench.network import NetworkDenoiser

NAME, WIDTH, DEPTH, SEED = "ring-deep", 48, 8, 1


def rng(key: int) -> torch.Generator:
    """A generator for each use."""
    return torch.Generator().manual_seed(SEED + 100 * key)


def trained(steps: int = 500, batch: int = 256, points: int = 4000) -> NetworkDenoiser:
    """Flow matching from independent noise."""
    net = nets.MLP(2, WIDTH, DEPTH, generator=rng(0))
    x0 = ring(points, generator=rng(1))
    return reflow.fit(net, reflow.independent(x0), steps=steps, batch=batch, generator=rng(2))


def measured(flow: NetworkDenoiser, points: int) -> dict[str, float]:
    """The energy distance of as many ends of its paths to exact points, and that of other exact points."""
    exact = ring(points, generator=rng(3))
    ends = reflow.simulate(flow, torch.randn(points, 2, generator=rng(4)), steps=16)
    return {
        "energy": float(metrics.energy_distance(ends, exact)),
        "noise_floor": float(metrics.energy_distance(ring(points, generator=rng(5)), exact)),
    }


def build(folder: Path, *, steps: int = 500, points: int = 1500, hardware: str = "not stated") -> dict[str, Any]:
    """Train, measure and publish; return the entry of the manifest."""
    begun = time.process_time()
    flow = trained(steps)
    spent = time.process_time() - begun
    return publish(
        NAME,
        pack(flow.net, preconditioning="flow"),
        folder,
        file=f"{NAME}.safetensors",
        kind="denoiser",
        source="ring",
        command=f"python -m workbench.artifacts.ring_deep --steps {steps} --points {points}",
        measured={
            "words": f"A flow of the ring: an MLP of {DEPTH} hidden layers of {WIDTH}, {steps} steps of flow matching, one seed.",
            "seed": SEED,
            "seconds_of_training": round(spent),
            "hardware": hardware,
            "points": points,
            **measured(flow, points),
        },
    )


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.plain(__doc__)
    parser.add_argument("--steps", type=int, default=500, help="of the training")
    parser.add_argument("--points", type=int, default=1500, help="to measure on")
    parser.add_argument("--hardware", default="not stated", help="in words, for the record")
    command_line.run_plain(build, parser, argv)


if __name__ == "__main__":
    main()
