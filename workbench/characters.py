"""The three characters of every core chapter: the ellipse, the ring and the nine, on any schedule.

The ellipse and the ring are exact laws.  The nine are pictures that the book's network draws; beside it stand the Gaussian with the
same mean and covariance, and a mixture of ten, for which the nine are known exactly.

Chapters compare methods, not examples, so the examples have one home.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from workbench.data import toys
from workbench.gaussian import GaussianDenoiser, GaussianPreconditioned, LowRank, MixtureDenoiser, SubspaceLaw
from workbench.schedules import Schedule


def ellipse(schedule: Schedule) -> GaussianDenoiser:
    """The law of ``wb.data.toys.ellipse``: a 2-D Gaussian, for which everything is exact."""
    return GaussianDenoiser(toys.ellipse.mean, toys.ellipse.covariance, schedule)


def ring(schedule: Schedule) -> MixtureDenoiser:
    """The law of ``wb.data.toys.ring``: eight Gaussians, an exact mixture without a closed flow map."""
    return MixtureDenoiser(toys.ring.weights, toys.ring.means, toys.ring.covariances, schedule)


def network(schedule: Schedule) -> GaussianPreconditioned:
    """The network ``wb.artifacts.load("cifar10-denoiser")`` on ``schedule``; ``.given(labels)`` tells it the classes.

    ``WORKBENCH_ARTIFACTS`` may name a folder with another one.
    """
    from workbench import artifacts

    return _network(str(artifacts.folder_of("cifar10-denoiser"))).on(schedule)


@cache
def _network(folder: str) -> GaussianPreconditioned:
    """Read and checked once a process."""
    from workbench import artifacts

    return artifacts.load("cifar10-denoiser", Path(folder))


def cifar10(schedule: Schedule, rank: int | None = None) -> GaussianDenoiser:
    """The Gaussian law with the mean and covariance of CIFAR-10 (the artifact ``cifar10-moments``): images in [-1, 1], (3, 32, 32).

    ``rank`` keeps fewer eigenvectors than are stored; the others share the average of their eigenvalues.
    """
    return _cifar10(rank).on(schedule)


@cache
def _cifar10(rank: int | None) -> GaussianDenoiser:
    """Checked once for each rank; all ranks share the stored vectors."""
    from workbench import artifacts
    from workbench.schedules import VE

    return GaussianDenoiser.from_moments(artifacts.load("cifar10-moments"), VE(), rank=rank)


def classes(schedule: Schedule, rank: int | None = None) -> SubspaceLaw:
    """The ten classes of CIFAR-10 as a mixture of ten Gaussians of images (the artifact ``cifar10-classes``): (3, 32, 32), in [-1, 1].

    They differ in mean and covariance along the 256 leading directions of :func:`cifar10` and share the rest with it; the mixture
    has its mean and covariance.  ``.given(3)`` is the Gaussian of the cats, ``.given(range(9))`` one class for each of nine
    samples, so ``wb.Guided(law.given(range(9)), law, 4.0)`` is classifier-free guidance with exact models.  ``rank``, at least 256,
    is that of :func:`cifar10`.
    """
    return _classes(rank).on(schedule)


@cache
def _classes(rank: int | None) -> SubspaceLaw:
    from workbench import artifacts
    from workbench.schedules import VE

    stored = artifacts.load("cifar10-classes")
    covariances = [LowRank(vectors, values) for vectors, values in zip(stored.vectors, stored.values, strict=True)]
    return SubspaceLaw(MixtureDenoiser(stored.frequencies, stored.means, covariances, VE()), _cifar10(rank))


def one_class(schedule: Schedule, label: int | Sequence[int], rank: int | None = None) -> SubspaceLaw:
    """The Gaussian of one class, or of a batch with one class for each sample: ``classes(schedule, rank).given(label)``."""
    return classes(schedule, rank).given(label)


def nine(schedule: Schedule, t: float | None = None, dtype: torch.dtype = torch.float32, *, first: int = 0) -> Tensor:
    """The noise of the nine, (9, 3, 32, 32): sigma_t times the draws of the seeds 0 to 8; t is ``schedule.t_first`` if None.

    The same nine pictures throughout the book: a solver that follows the same flow ends on the same nine.  Another ``first`` seed
    gives other nine, to choose on what the nine are to judge.
    """
    seeds = [torch.Generator().manual_seed(seed) for seed in range(first, first + 9)]
    return schedule.prior((9, 3, 32, 32), schedule.t_first if t is None else t, generator=seeds, dtype=dtype)


def nine_pictures(schedule: Schedule) -> Tensor:
    """Where the flow of :func:`network` ends from the noise of the nine at ``schedule.t_first``, (9, 3, 32, 32): what a solver should draw.

    Stored by ``python -m workbench.artifacts.cifar10_nine`` for ``VP()``, ``VE()``, ``Cosine()`` and ``Rectified()``, which start from
    noise of different size and so end on slightly different pictures.  ``wb.artifacts.describe("cifar10-nine")["measured"]["distance"]``
    says how well they have converged.

    Raises:
        ValueError: for another schedule.
        ArtifactError: when they were drawn by another network than the one that is loaded.
    """
    from workbench import artifacts
    from workbench.artifacts.cifar10_nine import SCHEDULES

    if schedule not in SCHEDULES:
        names = ", ".join(f"{type(known).__name__}()" for known in SCHEDULES)
        raise ValueError(f"the nine are stored for {names}, not for {schedule}; solve network(schedule) with many steps instead")
    if artifacts.describe("cifar10-nine")["measured"]["network_sha256"] != artifacts.describe("cifar10-denoiser")["sha256"]:
        raise artifacts.ArtifactError(
            "cifar10-nine was drawn by another network than cifar10-denoiser; "
            "python -m workbench.artifacts.cifar10_nine --out FOLDER draws them again (FOLDER: where the network lies)"
        )
    return artifacts.load("cifar10-nine")[type(schedule).__name__]
