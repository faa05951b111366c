"""Build ``cifar10-moments``: ``python -m workbench.artifacts.cifar10_moments --data FOLDER --source official``.

Takes the 50,000 training images to their mean, all 3072 eigenvalues and the leading eigenvectors of their covariance.
About half a minute on two cores and 1 GB of memory.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from workbench import data
from workbench.artifacts.covariance import approximation_errors, eigenpairs, exact_moments
from workbench.artifacts.manifest import FOLDER, SOURCES, publish
from workbench.artifacts.moments import Moments, pack, unpack

NAME = "cifar10-moments"
LEADING = 256
RANK = 1280
SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def build(
    images: UInt8[Tensor, "n channels height width"],
    folder: Path,
    source: str,
    *,
    leading: int = LEADING,
    rank: int = RANK,
) -> dict[str, Any]:
    """Write the moments of ``images`` to ``folder`` and return their manifest entry, measured errors included."""
    mean, covariance = exact_moments(images.flatten(1))
    spectrum, vectors = eigenpairs(covariance)
    rank = min(rank, len(spectrum))
    exact = Moments(mean.reshape(images.shape[1:]), spectrum, vectors[:, :rank], len(images))
    content = pack(exact, min(leading, rank))
    stored = unpack(content)
    return publish(
        NAME,
        content,
        folder,
        file="cifar10-moments.safetensors",
        kind="moments",
        source=source,
        command=f"python -m workbench.artifacts.cifar10_moments --data FOLDER --source {source}",
        measured={"images_sha256": images_sha256(images)} | _measured(exact, vectors, stored, leading),
    )


def _measured(exact: Moments, vectors: Tensor, stored: Moments, leading: int) -> dict[str, Any]:
    overlap = vectors.T @ stored.vectors
    captured = exact.values.sum() / exact.spectrum.sum()
    return {
        "count": exact.count,
        "dimension": len(exact.spectrum),
        "rank": exact.rank,
        "columns_in_16_bits": min(leading, exact.rank),
        "mean_norm_squared": exact.mean.square().sum().item(),
        "trace": exact.spectrum.sum().item(),
        "largest_eigenvalues": exact.spectrum[:5].tolist(),
        "smallest_eigenvalue": exact.spectrum[-1].item(),
        "captured_variance": captured.item(),
        "floor": exact.floor(),
        "largest_column_error": (stored.vectors - exact.vectors).norm(dim=0).max().item(),
        "errors_by_sigma": {str(sigma): approximation_errors(exact.spectrum, overlap, sigma) for sigma in SIGMAS},
    }


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


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    options = arguments(__doc__, argv)
    images = data.cifar10("train", options.data).images
    entry = build(images, options.out, options.source)
    print(f"wrote {options.out / entry['file']}: {entry['bytes']:,} bytes, sha256 {entry['sha256']}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
