"""All samples of a Gaussian at once: for a linear solver, one vector stands for every noise there is."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.gaussian.covariance import Covariance
from workbench.gaussian.gaussian import GaussianDenoiser


def all_directions(law: GaussianDenoiser, t: float | None = None) -> tuple[GaussianDenoiser, Float[Tensor, "1 dim"]]:
    """A law whose coordinates are the eigen-directions of ``law``, and one start that stands for all noise.

    On a Gaussian, every deterministic solver of this package is linear in the noise and treats each eigen-direction alone, and equal
    eigenvalues alike.  So one coordinate for each eigenvalue, with the root of its multiplicity as the size of its noise, gives in one
    run the root of the *expected* square error over all noise, in units of the law's own size.  The mean is left out: the error that a
    solver makes on it is the same for all samples.

    Args:
        law: any Gaussian.
        t: the time of the start; ``schedule.t_first`` if None.

    Returns:
        The law and the start, in float64.
    """
    covariance: Covariance = law.covariance
    values, size = covariance.spectrum.double(), covariance.multiplicity.double().sqrt()
    size[1::2] *= -1  # so that the mean of the entries, which is no error's unit, is small
    schedule = law.schedule
    start = size[None] * schedule.sigma(schedule.t_first if t is None else float(t))
    return GaussianDenoiser(torch.zeros_like(values), values, schedule), start
