"""What a Gaussian already knows: laws whose denoiser, flow and likelihood are exact (pillar 2)."""

from workbench.gaussian.covariance import Covariance, Dense, Diagonal, LowRank
from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.gaussian.law import Law
from workbench.gaussian.mixture import MixtureDenoiser

__all__ = ["Covariance", "Dense", "Diagonal", "GaussianDenoiser", "Law", "LowRank", "MixtureDenoiser"]
