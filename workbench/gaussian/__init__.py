"""What a Gaussian already knows: laws whose denoiser, flow and likelihood are exact (pillar 2)."""

from workbench.gaussian import estimate
from workbench.gaussian.component import ComponentDenoiser
from workbench.gaussian.coupling import GaussianCoupling
from workbench.gaussian.covariance import Covariance, Dense, Diagonal, LowRank
from workbench.gaussian.empirical import EmpiricalDenoiser
from workbench.gaussian.far_field import FarField, far_field
from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.gaussian.law import Law
from workbench.gaussian.mixture import MixtureDenoiser
from workbench.gaussian.patches import PatchDenoiser
from workbench.gaussian.preconditioned import GaussianPreconditioned
from workbench.gaussian.safe_skip import SafeSkip, safe_skip, skip_errors
from workbench.gaussian.subspace import SubspaceLaw
from workbench.gaussian.teleport import explained_variance, teleport

__all__ = [
    "ComponentDenoiser",
    "Covariance",
    "Dense",
    "Diagonal",
    "EmpiricalDenoiser",
    "FarField",
    "GaussianCoupling",
    "GaussianDenoiser",
    "GaussianPreconditioned",
    "Law",
    "LowRank",
    "MixtureDenoiser",
    "PatchDenoiser",
    "SafeSkip",
    "SubspaceLaw",
    "estimate",
    "explained_variance",
    "far_field",
    "safe_skip",
    "skip_errors",
    "teleport",
]
