"""Publish a rectified flow of CIFAR-10: python -m workbench.artifacts.cifar10_flow --run RUN --pairs PAIRS

RUN is a folder of ``python -m workbench.reflow.train``, PAIRS the folder it was trained on.  Its averaged weights become the artifact
``cifar10-flow``, after they have been measured on the pairs that were held out.  Frechet distances are measured by
``python -m benchmarks.reflow_cifar10``.
"""

from pathlib import Path
from typing import Any

import torch

from workbench.artifacts import command_line, networks
from workbench.artifacts.cifar10_denoiser import last_loss, run_file, run_settings
from workbench.artifacts.manifest import publish
from workbench.nets.training.pictures import HELD_OUT
from workbench.reflow.pairs import StoredPairs
from workbench.reflow.report import TIMES, held_out_losses
from workbench.reflow.train import options

NAME = "cifar10-flow"
COMMAND = "python -m workbench.artifacts.cifar10_flow"


def build(
    run: Path, folder: Path, pairs: Path, *, hardware: str = "not stated", looks: str = "", name: str = NAME
) -> dict[str, Any]:
    """Publish RUN/average.safetensors as ``name`` and return its manifest entry.

    Args:
        run: a finished run's folder.
        folder: where the artifact goes.
        pairs: the folder of pairs that the run was trained on; its last ones were held out.
        hardware: on which it was trained, in words.
        looks: what a person sees in its samples, in words.
        name: of the artifact.

    Raises:
        FileNotFoundError: when the run has not been finished, or there are no pairs.
        ArtifactError: for a file that is no network.
    """
    content = run_file(run, "average.safetensors")
    net, about = networks.unpack(content)
    flow, settings, stored = networks.denoiser(net, about), run_settings(run), StoredPairs.open(pairs)
    count = sum(p.numel() for p in net.parameters())
    rows = torch.arange(len(stored))[-min(HELD_OUT, len(stored) // 5) :]
    x0, noise = stored.data(rows), stored.noise(rows)
    labels = None if stored.labels is None else stored.labels[rows]
    losses, affine = held_out_losses(flow, x0, noise, labels), held_out_losses(flow.law, x0, noise, None)
    trained_on = len(stored) - len(rows)
    start = (
        f"started from {settings['start']} with its output turned around" if settings["start"] else "started from random weights"
    )
    measured = {
        "words": (
            f"{type(net).__name__}, {count / 1e6:.1f} M parameters in 16 bits, a flow from noise to pictures around the affine flow of "
            f"{trained_on:,} pairs of its teacher; {start}; {about['images']:,} pairs seen in batches of {settings['batch']} "
            f"({hardware}, seed {settings['seed']})." + f" {looks}".rstrip()
        ),
        "network": type(net).__name__,
        "parameters": count,
        "images": about["images"],
        "pairs": trained_on,
        "pairs_seed": stored.seed,
        "teacher": stored.about,
        "hardware": hardware,
        "looks": looks,
        "run": settings,
        "training_loss": last_loss(run),
        "time": list(TIMES),
        "loss": [*losses.values()],
        "affine_loss": [*affine.values()],
        "held_out": len(rows),
    }
    training = f"python -m workbench.reflow.train --out RUN --data PAIRS {options(settings)}"
    command = f"python -m workbench.reflow.make_pairs --out PAIRS --number {len(stored)} && {training} && {COMMAND} --run RUN --pairs PAIRS"
    return publish(
        name, content, folder, file=f"{name}.safetensors", kind="denoiser", source="own-network", command=command, measured=measured
    )


def main(argv: list[str] | None = None) -> None:
    """Read the run, measure, publish, and say what was written."""
    p = command_line.plain(__doc__)
    p.add_argument("--run", type=Path, required=True, help="folder of python -m workbench.reflow.train")
    p.add_argument("--pairs", type=Path, required=True, help="folder of python -m workbench.reflow.make_pairs")
    p.add_argument("--hardware", default="not stated", help="on which it was trained, in words")
    p.add_argument("--looks", default="", help="what a person sees in its samples, in words")
    o = p.parse_args(argv)
    entry = build(o.run, o.out, o.pairs, hardware=o.hardware, looks=o.looks)
    command_line.report(o.out, entry)
    measured = entry["measured"]
    for t, loss, affine in zip(measured["time"], measured["loss"], measured["affine_loss"], strict=True):
        print(f"  t {t:5g}: loss {loss:.5f}, affine flow {affine:.5f}, ratio {loss / affine:.3f}")


if __name__ == "__main__":
    main()
