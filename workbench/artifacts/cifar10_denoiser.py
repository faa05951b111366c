"""Publish a trained denoiser of CIFAR-10: python -m workbench.artifacts.cifar10_denoiser --run RUN --source official

RUN is a folder of ``python -m workbench.nets.train``.  Its averaged weights become the artifact, after they have been measured on
test images they were never trained on; snapshots of the same run may be stored beside them, in 8 bits.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench import data
from workbench.artifacts import command_line, networks
from workbench.artifacts.covariance import SIGMAS
from workbench.artifacts.manifest import publish
from workbench.characters import cifar10
from workbench.data.cifar import to_floats
from workbench.nets.held_out import denoising_errors
from workbench.nets.train import options
from workbench.nets.training import checkpoint

COMMAND = "python -m workbench.artifacts.cifar10_denoiser"


def build(
    run: Path,
    folder: Path,
    source: str,
    held_out: tuple[Tensor, Tensor],
    *,
    name: str = "cifar10-denoiser",
    hardware: str = "not stated",
    looks: str = "",
    history: Sequence[int] = (),
) -> dict[str, Any]:
    """Publish RUN/average.safetensors as ``name`` and, if asked, the snapshots at the steps ``history`` as ``name-history``.

    Args:
        run: a finished run's folder.
        folder: where the artifacts go.
        source: which images it was trained on, a key of ``SOURCES``.
        held_out: uint8 images and labels that it was not trained on.
        name: of the artifact.
        hardware: on which it was trained, in words.
        looks: what a person sees in its samples, in words.
        history: steps of the run with a file average-STEP.safetensors.

    Returns:
        The manifest entry of ``name``.

    Raises:
        FileNotFoundError: when the run has not been finished, or a snapshot is not there.
        ArtifactError: for a file that is no network.
    """
    stored = {step: run_file(run, f"average-{step:07d}.safetensors") for step in history}
    content = run_file(run, "average.safetensors")
    net, about = networks.unpack(content)
    model, settings = networks.denoiser(net, about), run_settings(run)
    count = sum(p.numel() for p in net.parameters())
    images, labels = to_floats(held_out[0]), held_out[1]
    errors = denoising_errors(model, images, SIGMAS, generator=torch.Generator().manual_seed(1), labels=labels)
    gaussian = denoising_errors(cifar10(model.schedule), images, SIGMAS, generator=torch.Generator().manual_seed(1))
    measured = {
        "words": (
            f"{type(net).__name__}, {count / 1e6:.1f} M parameters in 16 bits, preconditioning: {about['preconditioning']}; "
            f"{about['images']:,} images seen in batches of {settings['batch']} ({hardware}, seed {settings['seed']})."
            + f" {looks}".rstrip()
        ),
        "network": type(net).__name__,
        "parameters": count,
        "images": about["images"],
        "hardware": hardware,
        "looks": looks,
        "run": settings,
        "loss": last_loss(run),
        "sigma": list(SIGMAS),
        "error": errors.tolist(),
        "gaussian_error": gaussian.tolist(),
        "held_out": len(held_out[0]),
    }
    training = f"python -m workbench.nets.train --out RUN {options(settings)}"
    command = f"{training} && {COMMAND} --run RUN --source {source} --name {name}"
    file = f"{name}.safetensors"
    entry = publish(name, content, folder, file=file, kind="denoiser", source=source, command=command, measured=measured)
    if stored:
        states = {about["images"]: net for net, about in map(networks.unpack, stored.values())}
        words = f"{name} after {', '.join(f'{images:,}' for images in states)} images, matrices in 8 bits."
        publish(
            f"{name}-history", networks.pack_history(states, **about), folder, file=f"{name}-history.safetensors", kind="history",
            source=source, command=command, measured={"words": words, "images": list(states)},
        )  # fmt: skip
    return entry


def run_file(run: Path, name: str) -> bytes:
    """A file of a finished run; FileNotFoundError where there is none."""
    path = run / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there; finish the run with python -m workbench.nets.train --out {run} --resume --steps N"
        )
    return path.read_bytes()


def last_loss(run: Path, share: float = 0.1) -> float:
    """The mean training loss over the last ``share`` of the steps."""
    losses = [json.loads(line)["loss"] for line in (run / "steps.jsonl").read_text("utf-8").splitlines()]
    last = losses[-max(round(share * len(losses)), 1) :]
    return sum(last) / len(last)


def run_settings(run: Path) -> dict[str, Any]:
    """What the run's checkpoint says of it, plain enough for the manifest."""
    _, settings, versions = checkpoint.load(run / "checkpoint.pt")
    return json.loads(json.dumps(settings | {"versions": versions}))


def main(argv: list[str] | None = None) -> None:
    """Read the run, measure, publish, and say what was written."""
    p = command_line.options(__doc__)
    p.add_argument("--run", type=Path, required=True, help="folder of python -m workbench.nets.train")
    p.add_argument("--name", default="cifar10-denoiser", help="of the artifact")
    p.add_argument("--hardware", default="not stated", help="on which it was trained, in words")
    p.add_argument("--looks", default="", help="what a person sees in its samples, in words")
    p.add_argument("--history", type=command_line.integers, default=(), help="snapshots to store, by step")
    p.add_argument("--images", type=int, default=1000, help="test images to measure on")
    o = p.parse_args(argv)
    test = data.cifar10("test", o.data)
    held_out = (test.images[: o.images], test.labels[: o.images])
    entry = build(o.run, o.out, o.source, held_out, name=o.name, hardware=o.hardware, looks=o.looks, history=o.history)
    command_line.report(o.out, entry)
    for sigma, error, gaussian in zip(SIGMAS, entry["measured"]["error"], entry["measured"]["gaussian_error"], strict=True):
        print(f"  sigma {sigma:5g}: error {error:.5f}, Gaussian {gaussian:.5f}, ratio {error / gaussian:.3f}")


if __name__ == "__main__":
    main()
