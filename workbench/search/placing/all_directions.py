"""All samples of a Gaussian at once: for a linear solver, one vector stands for every noise there is."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.gaussian.covariance import Covariance
from workbench.gaussian.gaussian import GaussianDenoiser


def all_directions(law: GaussianDenoiser, t: float | None = None) -> tuple[GaussianDenoiser, Float[Tensor, "1 dim"]]:
    """A law whose coordinates are the eigen-directions of ``law``, and one start with one standard deviation in each.

    On a Gaussian, every deterministic solver of this package is linear in the noise and treats each eigen-direction alone.  So the root mean square error of this
    one run is the root of the *expected* square error over all noise, without sampling.  The mean is left out: the error that a solver makes on
    the mean is the same for all samples.

    Args:
        law: any Gaussian.
        t: the time of the start; ``schedule.t_first`` if None.

    Returns:
        The law and the start, in float64.
    """
    covariance: Covariance = law.covariance
    values = torch.repeat_interleave(covariance.spectrum, covariance.multiplicity.long()).double()
    signs = torch.ones(len(values), dtype=torch.float64)
    signs[1::2] = -1  # so that the mean of the entries, which is no error's unit, is nearly zero
    schedule = law.schedule
    start = signs[None] * schedule.sigma(schedule.t_first if t is None else float(t))
    return GaussianDenoiser(torch.zeros_like(values), values, schedule), start
