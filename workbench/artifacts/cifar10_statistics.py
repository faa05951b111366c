"""Build ``cifar10-statistics``, what DPM-Solver-v3 knows of the network: ``python -m workbench.artifacts.cifar10_statistics``

For ``cifar10-denoiser``, two sets of statistics from the same looks at it, by central differences, on the network's own samples
(``stand-in-images``, so no data are needed): "pixels", as the paper has it, with s and b by regression; and "eigenvectors", in the
256 leading eigenvectors of ``cifar10-moments`` and the rest, with s = l - 1.  Five evaluations a picture and node: a quarter of an hour
on one core for 192 pictures.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors

from workbench import artifacts
from workbench.artifacts import command_line
from workbench.artifacts.manifest import ArtifactError, entry_of, publish
from workbench.artifacts.networks import written
from workbench.characters import cifar10
from workbench.data import to_floats
from workbench.denoiser import Denoiser
from workbench.schedules import VE
from workbench.solvers.model_statistics import Eigenvectors, ModelStatistics
from workbench.solvers.model_statistics.estimating import gather

NAME = "cifar10-statistics"
NETWORK = "cifar10-denoiser"
RANK = 256


def basis(rank: int = RANK) -> Eigenvectors:
    """The leading eigenvectors of CIFAR-10's covariance, and the rest."""
    law = cifar10(VE())
    assert law.covariance.vectors is not None
    return Eigenvectors(law.covariance.vectors[:, :rank], law.shape)


def build(
    model: Denoiser,
    images: torch.Tensor,
    folder: Path,
    network: dict[str, Any],
    *,
    nodes: int = 49,
    batch: int = 16,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Write both sets for ``model`` on ``images`` (bytes) to ``folder`` and return their manifest entry.

    ``network`` is the manifest's entry of the model.  With a ``checkpoint`` the same call goes on where it was interrupted.
    """
    rng = torch.Generator().manual_seed(seed)
    lam, (pixels, coordinates) = gather(
        model,
        to_floats(images),
        (None, basis()),
        generator=rng,
        nodes=nodes,
        batch=batch,
        derivatives="differences",
        checkpoint=checkpoint,
        progress=True,
    )
    both = {"pixels": pixels.statistics(lam, None), "eigenvectors": coordinates.statistics(lam, basis(), drift="linear")}
    cost = both["pixels"].evaluations
    return publish(
        NAME,
        pack(both),
        folder,
        file=f"{NAME}.safetensors",
        kind="statistics",
        source="own-network",
        command=f"python -m workbench.artifacts.cifar10_statistics --number {len(images)} --nodes {nodes}",
        measured={
            "words": (
                f"l, s, b of {NETWORK} at {nodes} log-SNR, means over {both['pixels'].samples} of its own samples; {cost:,} network "
                "evaluations of one picture."
            ),
            "network_sha256": network["sha256"],
            "nodes": nodes,
            "samples": both["pixels"].samples,
            "evaluations": cost,
        },
    )


def pack(both: dict[str, ModelStatistics]) -> bytes:
    """1 - l, s and b of both in float16, as safetensors; the basis is that of ``cifar10-moments`` and is not stored."""
    tensors, about = {}, {}
    for name, one in both.items():
        tables = {"rest": 1 - one.l, "s": one.s, "b": one.b}
        tensors |= {f"{name}/{key}": table.to(torch.float16).contiguous() for key, table in tables.items()}
        tensors[f"{name}/nodes"] = one.nodes.clone()
        about[name] = {"samples": one.samples, "evaluations": one.evaluations, "rank": getattr(one.basis, "rank", None)}
    return written(tensors, {"about": json.dumps(about)})


def unpack(content: bytes) -> dict[str, ModelStatistics]:
    """Return the statistics by name.

    Raises:
        ArtifactError: for bytes that are something else.
    """
    try:
        size = int.from_bytes(content[:8], "little")
        about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["about"])
        tensors, found = load_safetensors(content), {}
        for name, told in about.items():
            rest, s, b = (tensors[f"{name}/{key}"].to(torch.float64) for key in ("rest", "s", "b"))
            own = None if told["rank"] is None else basis(told["rank"])
            found[name] = ModelStatistics(tensors[f"{name}/nodes"], 1 - rest, s, b, own, told["samples"], told["evaluations"])
        return found
    except Exception as error:
        raise ArtifactError(f"these bytes are no model statistics in safetensors form: {error}") from error


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.plain(__doc__)
    parser.add_argument("--number", type=int, default=192, help="how many pictures, the first of a shuffle by the seed")
    parser.add_argument("--nodes", type=int, default=49, help="values of log-SNR")
    parser.add_argument("--seed", type=int, default=0, help="of shuffle and noise")
    parser.add_argument("--checkpoint", type=Path, help="file for the sums so far; the same command goes on from it")
    options = parser.parse_args(argv)
    folder = artifacts.folder_of(NETWORK)
    stand_ins = artifacts.load("stand-in-images")
    chosen = torch.randperm(len(stand_ins), generator=torch.Generator().manual_seed(options.seed))[: options.number]
    entry = build(
        artifacts.load(NETWORK, folder),
        stand_ins.images[chosen],
        options.out,
        entry_of(NETWORK, folder),
        nodes=options.nodes,
        seed=options.seed,
        checkpoint=options.checkpoint,
    )
    command_line.report(options.out, entry)


if __name__ == "__main__":
    main()
