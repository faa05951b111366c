"""The three characters of every core chapter: the ellipse, the ring and the nine, each as an exact law on any schedule.

Chapters compare methods, not examples, so the examples have one home.
"""

from functools import cache

import torch
from torch import Tensor

from workbench.data import toys
from workbench.gaussian import GaussianDenoiser, MixtureDenoiser
from workbench.schedules import Schedule


def ellipse(schedule: Schedule) -> GaussianDenoiser:
    """The law of ``wb.data.toys.ellipse``: a 2-D Gaussian, for which everything is exact."""
    return GaussianDenoiser(toys.ellipse.mean, toys.ellipse.covariance, schedule)


def ring(schedule: Schedule) -> MixtureDenoiser:
    """The law of ``wb.data.toys.ring``: eight Gaussians, an exact mixture without a closed flow map."""
    return MixtureDenoiser(toys.ring.weights, toys.ring.means, toys.ring.covariances, schedule)


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


def nine(schedule: Schedule, t: float | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """The noise of the nine, (9, 3, 32, 32): sigma_t times the draws of the seeds 0 to 8; t is ``schedule.t_first`` if None.

    The same nine pictures throughout the book: a solver that follows the same flow ends on the same nine.
    """
    seeds = [torch.Generator().manual_seed(seed) for seed in range(9)]
    return schedule.prior((9, 3, 32, 32), schedule.t_first if t is None else t, generator=seeds, dtype=dtype)
