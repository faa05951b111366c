"""The command line of the builders of CIFAR-10 artifacts: read the images, build, say what was written."""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from workbench import data
from workbench.artifacts.manifest import FOLDER, SOURCES


def images_sha256(images: UInt8[Tensor, "n channels height width"]) -> str:
    """Return the sha256 of the pixels in their order: it tells whether two builds saw the same data."""
    return hashlib.sha256(images.contiguous().numpy()).hexdigest()


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a command line with the options that the builders of CIFAR-10 artifacts share."""
    parser = plain(description)
    parser.add_argument("--data", help="folder with cifar-10-batches-bin or the archive (default: the cache folder)")
    parser.add_argument("--source", choices=sorted(SOURCES), required=True, help="which images the folder holds")
    return parser


def plain(description: str | None) -> argparse.ArgumentParser:
    """Return a command line for a builder that needs no images: only the folder to write to."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: inside the package)")
    return parser


def integers(text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between them, as an option's type: "64,128" is (64, 128)."""
    return tuple(int(part) for part in text.split(","))


def run(build: Callable[[Tensor, Path, str], dict[str, Any]], description: str | None, argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), call ``build(images, folder, source)``, and print the manifest entry it returns."""
    chosen = options(description).parse_args(argv)
    with torch.inference_mode():
        entry = build(data.cifar10("train", chosen.data).images, chosen.out, chosen.source)
    report(chosen.out, entry)


def run_labeled(build: Callable[..., dict[str, Any]], description: str | None, argv: list[str] | None = None) -> None:
    """The same for a builder that needs labels: ``build(images, labels, folder, source, held_out=..., names=...)``."""
    chosen = options(description).parse_args(argv)
    with torch.inference_mode():
        train, test = (data.cifar10(split, chosen.data) for split in ("train", "test"))
        held_out = (test.images, test.labels)
        entry = build(train.images, train.labels, chosen.out, chosen.source, held_out=held_out, names=train.classes)
    report(chosen.out, entry)


def run_plain(build: Callable[..., dict[str, Any]], parser: argparse.ArgumentParser, argv: list[str] | None = None) -> None:
    """The same for a builder that needs no images: ``build(folder, **options)`` with all that ``parser``, from :func:`plain`, reads."""
    chosen = vars(parser.parse_args(argv))
    folder = chosen.pop("out")
    report(folder, build(folder, **chosen))


def report(folder: Path, entry: dict[str, Any]) -> None:
    """Print what was written."""
    print(f"wrote {folder / entry['file']}: {entry['bytes']:,} bytes, sha256 {entry['sha256']}")
