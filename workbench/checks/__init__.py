"""Property checks: what an exercise ends with, and what a method of your own can be held against.

Every check measures one property, raises :class:`CheckFailed` with the usual cause when it does not hold, and returns a
:class:`CheckResult`; with ``raises=False`` it returns the result either way, so that a course can add up points.
"""

from workbench.checks.answers import is_deterministic, same
from workbench.checks.faces import flows_to, is_denoiser, is_score_of
from workbench.checks.levels import grid, inverts_log_snr, is_schedule
from workbench.checks.marginals import preserves_marginals
from workbench.checks.result import CheckFailed, CheckResult
from workbench.checks.sampling import counts_evaluations, is_exact_on_point_mass, order
from workbench.checks.weak import weak_order

__all__ = [
    "CheckFailed",
    "CheckResult",
    "counts_evaluations",
    "flows_to",
    "grid",
    "inverts_log_snr",
    "is_denoiser",
    "is_deterministic",
    "is_exact_on_point_mass",
    "is_schedule",
    "is_score_of",
    "order",
    "preserves_marginals",
    "same",
    "weak_order",
]
