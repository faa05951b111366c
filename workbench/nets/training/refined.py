"""A learning-rate schedule computed from a finished run: small where the gradients were large, and falling to 0 at the end."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from workbench.nets.training.rates import Rate

_POINTS = 1001


@dataclass(frozen=True)
class Refined(Rate):
    """eta_t = w_t sum_{p > t} w_p, as a factor of its maximum, with w from the gradients of a run (``defazio2023refinement``).

    Constant weights give linear decay; gradients that start large give a warm-up, gradients that shrink keep the rate up for longer.

    Args:
        warmup: as everywhere.
        table: the factor at evenly spaced progress, from 0 to 1; made by :meth:`from_norms`.

    Raises:
        ValueError: for a table of fewer than two numbers, or numbers outside [0, 1].
    """

    table: tuple[float, ...] = (1.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.table) < 2 or not all(0 <= value <= 1 for value in self.table):
            raise ValueError("the table of a refined schedule holds at least two factors in [0, 1]; make it by Refined.from_norms")

    def decay(self, progress: float) -> float:
        """The table, linear between its points."""
        return float(np.interp(progress * (len(self.table) - 1), range(len(self.table)), self.table))

    @classmethod
    def from_norms(cls, norms: Iterable[float], *, power: float = 1.0, width: float = 0.1, warmup: int = 0) -> "Refined":
        """The schedule that a run with gradient norms G_t asks for:  w_t = (median of G around t)^-power.

        Args:
            norms: one for each step.
            power: 1 with the sums of magnitudes, for Adam; 2 with the roots of the sums of squares, for plain gradient descent.
            width: of the median filter, as a share of the run; smaller follows the run more closely.
            warmup: of the new schedule, besides what it finds itself.

        Raises:
            ValueError: for fewer than ten norms, norms that are not positive and finite, or a width outside (0, 1).
        """
        from scipy.ndimage import median_filter

        g = np.asarray(list(norms), dtype=np.float64)
        if len(g) < 10 or not (np.isfinite(g) & (g > 0)).all():
            raise ValueError(f"refinement needs at least ten positive, finite gradient norms, got {len(g)}: record a whole run")
        if not 0 < width < 1:
            raise ValueError(f"width={width}; it is a share of the run and needs to be in (0, 1)")
        window = 2 * (int(width * len(g)) // 2) + 1
        padded = np.pad(g, (0, 2 * window), mode="reflect")  # the end is mirrored: a cut-off median there would bend the tail
        smooth = median_filter(padded, size=window, mode="nearest")[: len(g)]
        weights = (smooth / smooth.min()) ** -power
        later = np.cumsum(weights[::-1])[::-1] - weights
        eta = weights * later.clip(min=0)
        places = np.linspace(0, len(g) - 1, min(_POINTS, len(g)))
        table = np.interp(places, np.arange(len(g)), eta / eta.max())
        return cls(warmup, tuple(table.clip(0, 1).tolist()))
