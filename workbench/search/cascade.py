"""The cascade of DC-Solver: ratios for numbers of steps and guidance scales that nobody has searched, from those that somebody has.

Searched ratios rho are fitted by a polynomial in three variables,

    rho(i, n, w)  =  sum_{a,b,c} C_abc (i / N)^a (w / W)^b (n / M)^c,

with i the step out of N = n of a run of n steps and w the guidance scale; a is at most 3, b and c at most 2 in the paper: 36 numbers.  It
is one linear least-squares problem, and a badly conditioned one: the published coefficients reach 1e4 while ratios are about 1.  Such a
polynomial is a table in disguise.  Inside the range it was fitted on it interpolates; outside it is arbitrary, and says so.

Book: ``solvers/dc_solver``.  Paper: ``zhao2024dcsolver``.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

UNITS = (12.0, 50.0)  # guidance scale and number of steps that the published polynomial counts as 1


class Searched(NamedTuple):
    """The ratios that a search found, for one number of steps and one guidance scale."""

    ratios: tuple[float, ...]
    scale: float = 1.0


@dataclass(frozen=True)
class Cascade:
    """A polynomial for ratios, with the range that it was fitted on.

    Args:
        coefficients: C_abc, flattened with c fastest.
        degrees: the highest powers of i / n, of the scale and of the number of steps.
        first: the first step that is compensated; earlier ratios are 1.
        steps, scales: the ranges it was fitted on, (least, most).
        condition: the condition number of the least-squares matrix: relative errors of the ratios may grow by this factor in the
            coefficients.
        residual: the root mean square of what the polynomial leaves of the ratios.
    """

    coefficients: tuple[float, ...]
    degrees: tuple[int, int, int]
    first: int
    steps: tuple[int, int]
    scales: tuple[float, float]
    condition: float
    residual: float
    paper = "zhao2024dcsolver"

    @classmethod
    def fit(cls, searched: Sequence[Searched], *, degrees: tuple[int, int, int] = (3, 2, 2), first: int = 2) -> "Cascade":
        """Least squares, without a penalty.

        Raises:
            ValueError: for fewer compensated ratios than coefficients, or ratios that do not determine them (too few different numbers of
                steps or scales).
        """
        places, values = [], []
        for ratios, scale in searched:
            for i in range(first, len(ratios)):
                places.append((i, scale, len(ratios)))
                values.append(ratios[i])
        count = int(np.prod([degree + 1 for degree in degrees]))
        if len(values) < count:
            raise ValueError(
                f"{count} coefficients need at least as many ratios, got {len(values)}; search more runs, or lower the degrees"
            )
        matrix = np.array([_powers(place, degrees) for place in places])
        solution, _, rank, singular = np.linalg.lstsq(matrix, np.array(values), rcond=1e-13)
        if rank < count:
            raise ValueError(
                f"the ratios determine {rank} of {count} coefficients; a power of the scale or of the number of steps needs one more "
                "different value than its degree: search more runs, or lower the degrees"
            )
        scales, steps = [one.scale for one in searched], [len(one.ratios) for one in searched]
        residual = float(np.sqrt(np.mean((matrix @ solution - values) ** 2)))
        return cls(
            tuple(solution.tolist()), tuple(degrees), first, (min(steps), max(steps)), (min(scales), max(scales)),
            float(singular[0] / singular[-1]), residual,
        )  # fmt: skip

    def ratios(self, steps: int, scale: float = 1.0) -> tuple[float, ...]:
        """One ratio for each planned step of a run of ``steps``; a UserWarning where the polynomial was not fitted there.

        Raises:
            ValueError: for fewer than one step.
        """
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps is the number of planned steps, at least 1, got {steps!r}")
        for value, (low, high), name in ((steps, self.steps, "steps"), (scale, self.scales, "guidance scales")):
            if not low <= value <= high:
                warnings.warn(
                    f"the cascade was fitted on {name} from {low:g} to {high:g} and is asked for {value:g}; outside of that range its "
                    "ratios are arbitrary: search there (wb.search.compensation) instead",
                    stacklevel=2,
                )
        found = [float(np.dot(_powers((i, scale, steps), self.degrees), self.coefficients)) for i in range(self.first, steps)]
        return (1.0,) * min(self.first, steps) + tuple(found)


def _powers(place: tuple[int, float, int], degrees: tuple[int, int, int]) -> list[float]:
    i, scale, steps = place
    variables = i / steps, scale / UNITS[0], steps / UNITS[1]
    return [
        float(np.prod([value**power for value, power in zip(variables, powers, strict=True)]))
        for powers in product(*(range(degree + 1) for degree in degrees))
    ]
