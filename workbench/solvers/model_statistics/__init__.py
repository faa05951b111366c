"""Statistics of a model that tell DPM-Solver-v3 what to split off and what to foresee."""

from workbench.solvers.model_statistics.basis import Basis, Cosines, Eigenvectors
from workbench.solvers.model_statistics.gaussian import GaussianStatistics
from workbench.solvers.model_statistics.statistics import Coefficients, ModelStatistics
from workbench.solvers.model_statistics.weights import V3Weights, v3_weights

__all__ = [
    "Basis",
    "Coefficients",
    "Cosines",
    "Eigenvectors",
    "GaussianStatistics",
    "ModelStatistics",
    "V3Weights",
    "v3_weights",
]
