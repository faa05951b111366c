"""Build ``stand-in-images``: ``python -m workbench.artifacts.stand_in_images --data FOLDER --source official``.

Samples of the package's own network ``cifar10-denoiser``, the same number of each class: a finite data set that may be shipped, for
chapters that need one.  Each image has a seed of its own, so the first hundred of a thousand are the hundred of a smaller build (up to
the rounding of batched arithmetic, now and then a step of 1 / 255).  The images the network was trained on serve to measure whether it
repeats them: the distance of each sample to its nearest training image, relative to that to the second nearest, beside the same for
test images.  Four minutes for a thousand on one core, and a minute for the distances.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm.auto import tqdm

from workbench import artifacts, data
from workbench.artifacts import command_line
from workbench.artifacts.manifest import SOURCES, entry_of, publish
from workbench.artifacts.stand_in import pack
from workbench.data.cifar import CLASSES
from workbench.denoiser import Denoiser
from workbench.grids import karras
from workbench.guided import Guided
from workbench.solve import solve
from workbench.solvers import Heun

NAME = "stand-in-images"
NETWORK = "cifar10-denoiser"


def build(
    model: Denoiser,
    folder: Path,
    network: dict[str, Any],
    source: str,
    *,
    training: UInt8[Tensor, "many channels height width"],
    held_out: UInt8[Tensor, "some channels height width"],
    number: int = 1000,
    steps: int = 18,
    guidance: float = 1.0,
    seed: int = 1000,
    batch: int = 50,
    shape: tuple[int, int, int] = (3, 32, 32),
    names: tuple[str, ...] = CLASSES,
) -> dict[str, Any]:
    """Write ``number`` samples of ``model`` to ``folder`` and return their manifest entry.

    Args:
        model: class-conditional (``.given(labels)``); image i has label i modulo the number of classes.
        folder: where to.
        network: the manifest's entry of the model.
        source: what the training images are, a key of ``SOURCES``.
        training, held_out: the images the network was trained on, and others of the same kind.
        number, steps, guidance, seed: how many, with how many steps of Heun's method, which guidance scale (1 is none), from which
            seed on.
        batch: how many at a time.
        shape: of an image.
        names: of the classes.

    Raises:
        ValueError: for a number that is not positive, or not a multiple of the number of classes.
    """
    if number < 1 or number % len(names) or batch < 1:
        raise ValueError(f"needs a positive multiple of {len(names)} images, so that all classes are equal, got {number}")
    labels = torch.arange(number) % len(names)
    chunks = [sampled(model, rows, labels[rows], shape, steps, guidance, seed) for rows in _progress(number, batch)]
    images = torch.cat(chunks)
    ratios, others = (nearest_ratios(some, training) for some in (images, held_out[:number]))
    extra = "" if guidance == 1 else f", guidance {guidance:g}"
    options = f"--number {number} --steps {steps} --guidance {guidance:g} --seed {seed}"
    return publish(
        NAME,
        pack(images, labels),
        folder,
        file=f"{NAME}.safetensors",
        kind="stand-in",
        source="own-network",
        command=f"python -m workbench.artifacts.stand_in_images --data FOLDER --source {source} {options}",
        measured={
            "words": f"{number} samples of {NETWORK}, as many of each class; Heun, {steps} steps{extra}, seeds {seed} to {seed + number - 1}",
            "images_sha256": command_line.images_sha256(images),
            "classes": list(names),
            "network": network["measured"].get("words", ""),
            "network_sha256": network["sha256"],
            "steps": steps,
            "guidance": guidance,
            "training_images": f"{len(training)} images. {SOURCES[source][0]}",
            "training_images_sha256": command_line.images_sha256(training),
            "memorized": (ratios < 1 / 3).double().mean().item(),
            "nearest_ratio": {"least": ratios.min().item(), "median": ratios.median().item()},
            "nearest_ratio_of_test_images": {"least": others.min().item(), "median": others.median().item()},
        },
    )


def nearest_ratios(
    images: UInt8[Tensor, "n channels height width"], training: UInt8[Tensor, "many channels height width"], chunk: int = 5000
) -> Float[Tensor, " n"]:
    """Distance to the nearest training image / distance to the second nearest; below 1/3 an image counts as memorized.

    In float32 through |x|^2 - 2 x.y + |y|^2, in units of bytes from the middle: good to 1e-4 unless the two are equal.
    Paper: ``gu2025memorization``.
    """
    x = images.flatten(1).float() - 127.5
    two = torch.full((len(x), 2), torch.inf)
    for rows in training.split(chunk):
        y = rows.flatten(1).float() - 127.5
        squares = x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * (x @ y.T)
        two = torch.cat([two, squares.clamp_(min=0)], 1).topk(2, largest=False).values
    return (two[:, 0] / two[:, 1].clamp(min=1e-30)).sqrt()


def sampled(
    model: Denoiser, rows: range, labels: Tensor, shape: tuple[int, int, int], steps: int, guidance: float, seed: int
) -> UInt8[Tensor, "n channels height width"]:
    """The images of some rows, each from the noise of its own seed, rounded to bytes."""
    conditional = model.given(labels)
    guided = conditional if guidance == 1 else Guided(conditional, model, guidance)
    schedule = model.schedule
    grid = karras(schedule, steps, stop=0.0)
    seeds = [torch.Generator().manual_seed(seed + row) for row in rows]
    noise = schedule.prior((len(rows), *shape), float(grid[0]), generator=seeds)
    return data.to_bytes(solve(guided, noise, grid, Heun()).x)


def _progress(number: int, batch: int):
    rows = [range(start, min(start + batch, number)) for start in range(0, number, batch)]
    return tqdm(rows, desc=NAME, unit="batch")


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.options(__doc__)
    parser.add_argument("--number", type=int, default=1000, help="how many images, a multiple of ten")
    parser.add_argument("--steps", type=int, default=18, help="steps of Heun's method")
    parser.add_argument("--guidance", type=float, default=1.0, help="scale of the guidance; 1 is none")
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first image (the book's nine have 0 to 8)")
    parser.add_argument("--batch", type=int, default=50, help="images at a time")
    options = parser.parse_args(argv)
    folder = artifacts.folder_of(NETWORK)
    training, held_out = (data.cifar10(split, options.data).images for split in ("train", "test"))
    entry = build(
        artifacts.load(NETWORK, folder),
        options.out,
        entry_of(NETWORK, folder),
        options.source,
        training=training,
        held_out=held_out,
        number=options.number,
        steps=options.steps,
        guidance=options.guidance,
        seed=options.seed,
        batch=options.batch,
        shape=tuple(training.shape[1:]),
    )
    command_line.report(options.out, entry)


if __name__ == "__main__":
    main()
