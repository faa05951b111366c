"""Build ``cifar10-moments``: ``python -m workbench.artifacts.cifar10_moments --data FOLDER --source official``.

Takes the 50,000 training images to their mean, all 3072 eigenvalues and the leading eigenvectors of their covariance.
About half a minute on two cores and 1 GB of memory.
"""

from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from workbench.artifacts.command_line import images_sha256, run
from workbench.artifacts.covariance import SIGMAS, approximation_errors, eigenpairs, exact_moments
from workbench.artifacts.manifest import publish
from workbench.artifacts.moments import Moments, pack, unpack

NAME = "cifar10-moments"
LEADING = 256
RANK = 1280


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


if __name__ == "__main__":
    run(build, __doc__)
