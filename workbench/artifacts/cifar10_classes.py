"""Build ``cifar10-classes``: ``python -m workbench.artifacts.cifar10_classes --data FOLDER --source official``.

Takes the 50,000 training images and their labels to the mean and covariance of each class, in the leading directions of
``cifar10-moments``, which must have been built from the same images.  About a minute on two cores and 1.5 GB of memory.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from workbench.artifacts.classes import ClassMoments, pack, unpack
from workbench.artifacts.command_line import images_sha256, run_labeled
from workbench.artifacts.covariance import SIGMAS, denoising_error, exact_moments
from workbench.artifacts.manifest import ArtifactError, entry_of, publish, verified
from workbench.artifacts.moments import Moments
from workbench.artifacts.moments import unpack as unpack_moments
from workbench.data.cifar import CLASSES

NAME = "cifar10-classes"
BASIS = "cifar10-moments"
RANK = 256


def build(
    images: UInt8[Tensor, "n channels height width"],
    labels: Int64[Tensor, " n"],
    folder: Path,
    source: str,
    *,
    held_out: tuple[Tensor, Tensor],
    names: tuple[str, ...] = CLASSES,
    rank: int = RANK,
) -> dict[str, Any]:
    """Write the class moments of ``images`` to ``folder`` and return their manifest entry, measured errors included.

    ``held_out`` (images and labels) only serves to measure the accuracy. Raises ``ArtifactError`` unless the moments in ``folder`` are those of the same images.
    """
    sha256, entry = images_sha256(images), entry_of(BASIS, folder)
    if entry["measured"]["images_sha256"] != sha256:
        raise ArtifactError(f"{BASIS} in {folder} was built from other images; build it from these first: `{entry['command']}`")
    shared = unpack_moments(verified(BASIS, folder))
    rank = min(rank, shared.rank)
    counts = torch.bincount(labels, minlength=len(names))
    exact = [_class(images[labels == k].flatten(1), shared, rank) for k in range(len(names))]
    means = torch.stack([one["mean"][:rank] for one in exact])
    content = pack(counts.double() / counts.sum(), means, torch.stack([one["block"] for one in exact]))
    stored = unpack(content, names)
    return publish(
        NAME,
        content,
        folder,
        file="cifar10-classes.safetensors",
        kind="classes",
        source=source,
        command=f"python -m workbench.artifacts.cifar10_classes --data FOLDER --source {source}",
        measured={
            "images_sha256": sha256,
            "basis": BASIS,
            "basis_sha256": entry["sha256"],
            "classes": list(names),
            "counts": counts.tolist(),
            "rank": rank,
            "captured_variance": {
                name: (one["block"].trace() / one["spectrum"].sum()).item() for name, one in zip(names, exact, strict=True)
            },
            "errors_by_sigma": {str(sigma): _errors(exact, stored, shared, sigma) for sigma in SIGMAS},
            "total_covariance_error": _total_error(stored, shared),
            "accuracy": {
                "training": accuracy(stored, shared, images, labels),
                "held_out": accuracy(stored, shared, *held_out),
            },
        },
    )


def _class(images: UInt8[Tensor, "n d"], shared: Moments, rank: int) -> dict[str, Tensor]:
    """What the measurements need of one class: all in the coordinates of the shared basis, but for its own spectrum."""
    mean, covariance = exact_moments(images)
    along = shared.vectors.T @ covariance @ shared.vectors
    return {
        "mean": shared.vectors.T @ mean,
        "beyond": (mean - shared.mean.flatten()).square().sum()
        - (shared.vectors.T @ (mean - shared.mean.flatten())).square().sum(),
        "block": along[:rank, :rank],
        "tail": along.diagonal()[rank:],
        "spectrum": torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0),
    }


def _errors(exact: list[dict[str, Tensor]], stored: ClassMoments, shared: Moments, sigma: float) -> dict[str, float]:
    """The extra error of the stored denoiser on its own class, relative to the error of the full Gaussian of that class.

    With W the stored denoiser's matrix, m its mean, mu and S the true ones, the error is tr (I - W) S (I - W) + sigma^2 tr W^2
    + |(I - W)(mu - m)|^2.  W is a block and a diagonal in the shared basis, so only these parts of S enter: exact, not sampled.
    """
    worst, total = 0.0, 0.0
    r, dim = stored.rank, len(shared.spectrum)
    for k, one in enumerate(exact):
        keep = stored.values[k] / (stored.values[k] + sigma**2)
        lose = torch.eye(r, dtype=torch.float64) - stored.vectors[k] * keep @ stored.vectors[k].T
        error = (lose @ one["block"] * lose).sum() + sigma**2 * keep.square().sum()
        error += (lose @ (one["mean"][:r] - stored.means[k])).square().sum()
        tail = shared.values[r:] / (shared.values[r:] + sigma**2)
        off = one["mean"][r:] - (shared.vectors.T @ shared.mean.flatten())[r:]
        error += ((1 - tail).square() * (one["tail"] + off.square())).sum() + sigma**2 * tail.square().sum()
        floor = shared.floor() / (shared.floor() + sigma**2)
        beyond = one["spectrum"].sum() - one["block"].trace() - one["tail"].sum() + one["beyond"]
        error += (1 - floor) ** 2 * beyond + sigma**2 * floor**2 * (dim - shared.rank)
        excess = (error / dim).item() / denoising_error(one["spectrum"], sigma) - 1
        worst, total = max(worst, excess), total + excess / len(exact)
    return {"excess_mean": total, "excess_worst_class": worst}


def _total_error(stored: ClassMoments, shared: Moments) -> float:
    """The largest entry of (total covariance of the ten) - diag(spectrum), relative to the geometric mean of its diagonal."""
    mean = stored.frequencies @ stored.means
    total = sum(
        share * (stored.covariance(k) + torch.outer(stored.means[k] - mean, stored.means[k] - mean))
        for k, share in enumerate(stored.frequencies)
    )
    size = shared.values[: stored.rank].sqrt()
    return ((total - torch.diag(size.square())) / torch.outer(size, size)).abs().max().item()


def accuracy(
    stored: ClassMoments,
    shared: Moments,
    images: UInt8[Tensor, "n channels height width"],
    labels: Int64[Tensor, " n"],
) -> float:
    """How often the class of largest posterior probability, at no noise, is the label: a quadratic discriminant."""
    basis = shared.vectors[:, : stored.rank]
    z = torch.cat([(rows.flatten(1).double() / 127.5 - 1) @ basis for rows in images.split(5000)])
    scores = [
        share.log() - 0.5 * (((z - mean) @ vectors).square() / values).sum(1) - 0.5 * values.log().sum()
        for share, mean, vectors, values in zip(stored.frequencies, stored.means, stored.vectors, stored.values, strict=True)
    ]
    return (torch.stack(scores).argmax(0) == labels).double().mean().item()


if __name__ == "__main__":
    run_labeled(build, __doc__)
