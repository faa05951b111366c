"""How far apart two laws are, how fast an error falls, and how sure one can be of either."""

from workbench.metrics.clouds import (
    Estimate,
    MomentError,
    Order,
    energy_distance,
    explained_variance,
    fitted_order,
    mean_and_covariance_error,
    sliced_wasserstein,
)
from workbench.metrics.comparing import Interval, confidence_interval, paired_difference, seeds_needed
from workbench.metrics.error_parts import ErrorParts, error_parts, flow_end
from workbench.metrics.extrapolated import Extrapolation, extrapolated_frechet
from workbench.metrics.frechet import (
    FeatureStatistics,
    FrechetEstimate,
    frechet_bias,
    frechet_difference,
    frechet_distance,
    frechet_estimate,
)
from workbench.metrics.inception import inception_features
from workbench.metrics.relative import relative_error

__all__ = [
    "ErrorParts",
    "Estimate",
    "Extrapolation",
    "FeatureStatistics",
    "FrechetEstimate",
    "Interval",
    "MomentError",
    "Order",
    "confidence_interval",
    "energy_distance",
    "error_parts",
    "explained_variance",
    "extrapolated_frechet",
    "fitted_order",
    "flow_end",
    "frechet_bias",
    "frechet_difference",
    "frechet_distance",
    "frechet_estimate",
    "inception_features",
    "mean_and_covariance_error",
    "paired_difference",
    "relative_error",
    "seeds_needed",
    "sliced_wasserstein",
]
