"""The law of bits and steps: what is left of the error when both bills are paid, and where it is cheapest.

    error(b, N) = C N^-p + E 2^(-r b)

A solver of order p leaves C N^-p, rounding to b bits leaves a floor E 2^(-r b) that no number of steps removes; r = 1 where the error is
proportional to the step between two levels.  It is a law of measured tables, to be fitted and doubted, not a theorem: the two parts may
cancel, and then the sum overstates.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Numbers = Sequence[float] | Float[Tensor, "rows"]
NAMES = ("solver", "order", "rounding", "rate")


class Choice(NamedTuple):
    """What to buy: bits of a number, evaluations (a whole number), their product, and the error that the law expects."""

    bits: float
    evaluations: int
    price: float
    error: float


@dataclass(frozen=True)
class ErrorLaw:
    """C N^-p + E 2^(-r b), or the root of the sum of squares of the two parts.

    Args:
        solver: C, the error of one evaluation at infinitely many bits.
        order: p.
        rounding: E, so that the floor at b bits is E 2^(-r b).
        rate: r, the halvings of the floor by one bit.
        together: how the parts are put together: 1 adds them, 2 adds their squares, as for parts that are unrelated.

    Raises:
        ValueError: for a part that is not positive.
    """

    solver: float
    order: float
    rounding: float
    rate: float = 1.0
    together: float = 1.0

    def __post_init__(self) -> None:
        for name in (*NAMES, "together"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}; all of {', '.join(NAMES)} and together are positive numbers")

    def error(self, bits: float, evaluations: float) -> float:
        """The error that is left."""
        parts = (self.solver * evaluations**-self.order, self.floor(bits))
        return sum(part**self.together for part in parts) ** (1 / self.together)

    def floor(self, bits: float) -> float:
        """E 2^(-r b), what no number of evaluations removes."""
        return self.rounding * 2 ** (-self.rate * bits)

    def crossover(self, bits: float) -> float:
        """N* = (C / floor)^(1/p): where both parts are equal.  Another bit multiplies it by 2^(r/p)."""
        return (self.solver / self.floor(bits)) ** (1 / self.order)

    def evaluations(self, bits: float, error: float) -> float:
        """How many evaluations leave this error at ``bits``; infinite at and below the floor."""
        left = error**self.together - self.floor(bits) ** self.together
        return math.inf if left <= 0 else (self.solver / left ** (1 / self.together)) ** (1 / self.order)

    def cheapest(self, error: float, bits: Iterable[float] = range(2, 17)) -> Choice:
        """The smallest bits x evaluations that leaves at most ``error``; parameters multiply every price alike.

        Raises:
            ValueError: where no number of evaluations does.
        """
        bought = [(b, self.evaluations(b, error)) for b in bits]
        options = [
            Choice(b, (count := max(1, math.ceil(n - 1e-9))), b * count, self.error(b, count)) for b, n in bought if n < math.inf
        ]
        if not options:
            raise ValueError(f"an error of {error:g} is at or below the floor at all of these bits; offer more bits")
        return min(options, key=lambda choice: choice.price)


class LawFit(NamedTuple):
    """A fitted law, the standard error of each of its parameters (0 for one that was given), and the typical relative misfit."""

    law: ErrorLaw
    standard_errors: Mapping[str, float]
    misfit: float


def fit_law(
    bits: Numbers,
    evaluations: Numbers,
    errors: Numbers,
    *,
    spread: Numbers | None = None,
    order: float | None = None,
    rate: float | None = None,
    together: float = 1.0,
) -> LawFit:
    """Fit :class:`ErrorLaw` to a table by least squares of log(error), so that a relative misfit counts the same everywhere.

    Args:
        bits, evaluations, errors: one row of the table each; use 32 for full precision.
        spread: the relative standard error of each row, as weights; None weighs all alike.
        order, rate: p and r where they are known; None fits them.
        together: see :class:`ErrorLaw`.

    Returns:
        The law with standard errors from the curvature at the optimum and the scatter around it: they say how well the table determines
        the numbers if the law is true, and nothing about whether it is.

    Raises:
        ValueError: for columns of different lengths, fewer rows than parameters + 1, or numbers that are not positive and finite.
    """
    from scipy.optimize import least_squares

    table = [torch.as_tensor(column, dtype=torch.float64).numpy() for column in (bits, evaluations, errors)]
    b, n, measured = table
    given = {"order": order, "rate": rate}
    free = [name for name in NAMES if given.get(name) is None]
    weight = np.ones_like(b) if spread is None else 1 / torch.as_tensor(spread, dtype=torch.float64).numpy()
    if not b.shape == n.shape == measured.shape == weight.shape or b.ndim != 1 or len(b) <= len(free):
        raise ValueError(
            f"got {len(b)} bits, {len(n)} evaluations, {len(measured)} errors; equal columns of more than {len(free)} rows"
        )
    if not all(np.isfinite(column).all() and (column > 0).all() for column in (*table, weight)):
        raise ValueError("bits, evaluations, errors and spread must be positive and finite; leave out rows that are not")

    def read(logs: np.ndarray) -> dict[str, float]:
        return {name: value for name, value in given.items() if value is not None} | dict(zip(free, np.exp(logs), strict=True))

    def misfit(logs: np.ndarray) -> np.ndarray:
        p = read(logs)
        parts = (p["solver"] * n ** -p["order"], p["rounding"] * 2.0 ** (-p["rate"] * b))
        expected = np.logaddexp(*(together * np.log(part) for part in parts)) / together
        return weight * (expected - np.log(measured))

    worst = {"solver": measured.max() * n.min(), "order": 1.0, "rounding": measured.min() * 2 ** min(b.max(), 16), "rate": 1.0}
    start = [math.log(worst[name]) for name in free]
    found = least_squares(misfit, start, x_scale="jac", max_nfev=2000)
    scatter = float(found.fun @ found.fun) / (len(b) - len(free))
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * scatter
    values = read(found.x)
    errors_of = dict.fromkeys(NAMES, 0.0)
    errors_of |= {name: values[name] * math.sqrt(covariance[k, k]) for k, name in enumerate(free)}
    plain = found.fun / weight
    return LawFit(ErrorLaw(**values, together=together), errors_of, float(np.sqrt((plain * plain).mean())))


def rounding_share(order: float, bits: float) -> float:
    """p / (p + b ln 2): the part of an error budget that rounding should have when bits x evaluations is least.

    From the law with r = 1, where both are real numbers: one more bit costs 1/b of the price, and so do 1/b of the evaluations.
    Most of the budget belongs to the solver, whose error is the dearer one to reduce.
    """
    return order / (order + bits * math.log(2))
