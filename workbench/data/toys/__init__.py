"""Ten laws on the plane, each with a sampler and its exact, normalized density.

``toys.ring(8192, generator=rng)`` draws points, ``toys.ring.log_prob(x)`` is the log-density. ``toys.ellipse``
exposes ``mean`` and ``covariance``; it, ``toys.ring`` and ``toys.gaussian_grid`` expose ``weights``, ``means`` and
``covariances``.
"""

from workbench.data.toys.curves import Circles, Curve, circles, swiss_roll, two_moons, two_spirals
from workbench.data.toys.mixtures import Gaussian, Mixture, eight_gaussians, ellipse, gaussian_grid, ring
from workbench.data.toys.toy import Toy
from workbench.data.toys.warps import Banana, Checkerboard, Pinwheel, banana, checkerboard, pinwheel

ALL = (ellipse, ring, gaussian_grid, two_moons, circles, two_spirals, swiss_roll, pinwheel, banana, checkerboard)
"""The ten toys, the two characters of every chapter first."""

__all__ = [
    "ALL",
    "Banana",
    "Checkerboard",
    "Circles",
    "Curve",
    "Gaussian",
    "Mixture",
    "Pinwheel",
    "Toy",
    "banana",
    "checkerboard",
    "circles",
    "eight_gaussians",
    "ellipse",
    "gaussian_grid",
    "pinwheel",
    "ring",
    "swiss_roll",
    "two_moons",
    "two_spirals",
]
