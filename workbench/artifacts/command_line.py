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


def arguments(description: str | None, argv: list[str] | None) -> argparse.Namespace:
    """Parse the options that the builders of CIFAR-10 artifacts share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with cifar-10-batches-bin or the archive (default: the cache folder)")
    parser.add_argument("--source", choices=sorted(SOURCES), required=True, help="which images the folder holds")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: inside the package)")
    return parser.parse_args(argv)


def run(build: Callable[[Tensor, Path, str], dict[str, Any]], description: str | None, argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), call ``build(images, folder, source)``, and print the manifest entry it returns."""
    options = arguments(description, argv)
    with torch.inference_mode():
        entry = build(data.cifar10("train", options.data).images, options.out, options.source)
    _report(options, entry)


def run_labeled(build: Callable[..., dict[str, Any]], description: str | None, argv: list[str] | None = None) -> None:
    """The same for a builder that needs labels: ``build(images, labels, folder, source, held_out=..., names=...)``."""
    options = arguments(description, argv)
    with torch.inference_mode():
        train, test = (data.cifar10(split, options.data) for split in ("train", "test"))
        held_out = (test.images, test.labels)
        entry = build(train.images, train.labels, options.out, options.source, held_out=held_out, names=train.classes)
    _report(options, entry)


def _report(options: argparse.Namespace, entry: dict[str, Any]) -> None:
    print(f"wrote {options.out / entry['file']}: {entry['bytes']:,} bytes, sha256 {entry['sha256']}")
