"""How many bits for whom: share a budget of bits among units so that the sum of their errors is small.

Unit l has n_l numbers, and error e_l(b) when each of them gets b bits.  Wanted: bits with

    sum_l e_l(b_l)  as small as possible,    subject to    sum_l b_l n_l <= budget.

    exact      no allocation within the budget has a smaller sum.  A knapsack: states grow in the worst case with budget / gcd(n_l).
    greedy     feasible, in (steps x units) comparisons.  If every e_l is decreasing and convex in b, its sum exceeds the best one by
               no more than the error that the last drop added; otherwise nothing bounds the gap.
    relaxed    for e_l(b) = c_l 4^-b and real b: its sum is a lower bound for every whole-number allocation, also of c_l / (2^b - 1)^2.

All three take errors as additive.  Whether they are is a question to the network.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def exact(errors: Sequence[Mapping[int, float]], sizes: Sequence[int], budget: float) -> list[int]:
    """Bits of least total error, by dynamic programming over the bits spent, in units of the greatest common divisor of the sizes.

    A state is a number of units spent on the first l units of the list, with the least error at which that is possible.  Two kinds of states are
    dropped, and neither can be part of a better answer: those beaten by a cheaper one, and those whose error, together with the
    straight-line bound for what is left to decide, exceeds the error of :func:`greedy`.  Of equally good answers the cheapest wins.

    Args:
        errors: for each unit, {bits: error}.  Errors are finite and not negative; they need not fall with the bits.
        sizes: how many numbers each unit has.
        budget: bits for all of them together.

    Returns:
        The bits of each unit.

    Raises:
        ValueError: for a budget below the cheapest choice of all units, or input that is not as described.
    """
    capacity, ladders = _check(errors, sizes, budget)
    unit, largest = math.gcd(*sizes), max(max(table.values()) for table in errors) or 1.0
    units = [
        [(bits * size // unit, error / largest, bits) for bits, error in ladder]
        for ladder, size in zip(ladders, sizes, strict=True)
    ]
    quick = sum(table[bits] / largest for table, bits in zip(errors, greedy(errors, sizes, budget), strict=True))
    limit = quick * (1 + 1e-9) + 1e-12 * len(units)  # a bound is a difference of floats: leave it its rounding
    bounds = _bounds_after(units)
    spent, error, history = np.zeros(1, np.int64), np.zeros(1), []
    for choices, (cost_after, error_after) in zip(units, bounds, strict=True):
        spent = np.concatenate([spent + cost for cost, _, _ in choices])
        error = np.concatenate([error + extra for _, extra, _ in choices])
        left = capacity // unit - spent
        hopeful = (left >= cost_after[0]) & (error + np.interp(left, cost_after, error_after) <= limit)
        kept = _pareto(spent, error, np.flatnonzero(hopeful))
        history.append((kept, len(spent) // len(choices)))
        spent, error = spent[kept], error[kept]
    state, bits = int(error.argmin()), []
    for choices, (kept, states) in zip(reversed(units), reversed(history), strict=True):
        choice, state = divmod(int(kept[state]), states)
        bits.append(choices[choice][2])
    return bits[::-1]


def greedy(errors: Sequence[Mapping[int, float]], sizes: Sequence[int], budget: float) -> list[int]:
    """Bits by going down: everybody starts at the top, and while the budget is exceeded the drop that adds least error per saved bit is made.

    A drop goes to the next lower number of bits that a unit has.  Of equal drops the first unit's is made.

    Args, returns and errors as :func:`exact`.
    """
    capacity, ladders = _check(errors, sizes, budget)
    rungs = [len(ladder) - 1 for ladder in ladders]

    def rate(unit: int) -> float:
        (fewer, worse), (bits, error) = ladders[unit][rungs[unit] - 1], ladders[unit][rungs[unit]]
        return (worse - error) / ((bits - fewer) * sizes[unit])

    spent = sum(ladder[-1][0] * size for ladder, size in zip(ladders, sizes, strict=True))
    while spent > capacity:
        unit = min((unit for unit, rung in enumerate(rungs) if rung), key=rate)
        rungs[unit] -= 1
        spent -= (ladders[unit][rungs[unit] + 1][0] - ladders[unit][rungs[unit]][0]) * sizes[unit]
    return [ladder[rung][0] for ladder, rung in zip(ladders, rungs, strict=True)]


def relaxed(sensitivities: Sequence[float], sizes: Sequence[int], budget: float, lowest: float = 0.0) -> list[float]:
    """Real bits of least sum_l c_l 4^-b_l with b_l >= ``lowest``: the bound for whole ones.

    Where nobody is at the lowest, b_l = mean bits + 1/2 log2((c_l / n_l) / G), with G the mean of c_l / n_l, geometric and weighted
    with n_l.  Units that would fall below ``lowest`` stay there, and the others share what is left.

    Args:
        sensitivities: c_l, finite and not negative.
        sizes: how many numbers each unit has.
        budget: bits for all of them together.
        lowest: no unit gets fewer bits.

    Raises:
        ValueError: for a budget below ``lowest`` for everybody, or input that is not as described.
    """
    table = [{0: c} for c in sensitivities]
    _check(table, sizes, budget)
    if not math.isfinite(lowest) or lowest * sum(sizes) > budget:
        raise ValueError(f"{sum(sizes)} numbers of at least {lowest} bits need {lowest * sum(sizes)} bits, the budget is {budget}")
    sharing = [unit for unit, c in enumerate(sensitivities) if c > 0]
    bits = [float(lowest)] * len(sizes)
    while sharing:
        weight = sum(sizes[unit] for unit in sharing)
        mean = (budget - lowest * (sum(sizes) - weight)) / weight
        levels = {unit: 0.5 * (math.log2(sensitivities[unit]) - math.log2(sizes[unit])) for unit in sharing}
        center = sum(sizes[unit] * level for unit, level in levels.items()) / weight
        above = [unit for unit in sharing if mean + levels[unit] - center > lowest]
        if len(above) == len(sharing):
            for unit, level in levels.items():
                bits[unit] = mean + level - center
            break
        sharing = above
    return bits


def _check(errors: Sequence[Mapping[int, float]], sizes: Sequence[int], budget: float) -> tuple[int, list[list[tuple[int, float]]]]:
    """The budget as a whole number, and for each unit (bits, error), fewest bits first."""
    if not len(errors) or len(errors) != len(sizes):
        raise ValueError(
            f"got errors of {len(errors)} units and {len(sizes)} sizes; give one size for each unit, and at least one unit"
        )
    for unit, (table, size) in enumerate(zip(errors, sizes, strict=True)):
        if isinstance(size, bool) or size != int(size) or size < 1:
            raise ValueError(f"unit {unit} has size {size!r}; a size is a whole number of at least 1")
        if not table:
            raise ValueError(f"unit {unit} has no choice of bits; give {{bits: error}}")
        for bits, error in table.items():
            if isinstance(bits, bool) or bits != int(bits) or bits < 0:
                raise ValueError(f"unit {unit} offers {bits!r} bits; give whole numbers of at least 0")
            if not (math.isfinite(error) and error >= 0):
                raise ValueError(f"unit {unit} has error {error} at {bits} bits; errors are finite and not negative")
    least = sum(min(table) * size for table, size in zip(errors, sizes, strict=True))
    if not math.isfinite(budget) or least > budget:
        raise ValueError(
            f"the budget is {budget} bits, and the cheapest choice of all units needs {least}; raise it, or offer fewer bits"
        )
    return math.floor(budget), [sorted((int(bits), float(error)) for bits, error in table.items()) for table in errors]


def _pareto(spent: np.ndarray, error: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Which of the states are beaten by no cheaper and no equally expensive one, cheapest first."""
    order = among[np.lexsort((error[among], spent[among]))]
    best = np.minimum.accumulate(error[order])
    return order[np.concatenate([[True], best[1:] < best[:-1]])]


def _bounds_after(units: Sequence[Sequence[tuple[int, float, int]]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each unit a lower bound on the error of all units behind it, as corners (cost, error) of a convex line.

    Mixing choices can only help: the lower hull of each unit's (cost, error), and their sum, steepest pieces first.
    """
    start, pieces, bounds = np.zeros(2), [], []
    for choices in reversed(units):
        ordered = sorted(pieces, key=lambda piece: piece[1] / piece[0])
        corners = np.cumsum([start, *ordered], axis=0)
        bounds.append((corners[:, 0], corners[:, 1]))
        hull = _lower_hull([(cost, error) for cost, error, _ in choices])
        start = start + hull[0]
        pieces += [(b[0] - a[0], b[1] - a[1]) for a, b in zip(hull, hull[1:], strict=False)]
    return bounds[::-1]


def _lower_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of the convex decreasing line below ``points``, cheapest first."""
    hull: list[tuple[float, float]] = []
    for point in sorted(points):
        if hull and point[1] >= hull[-1][1]:
            continue
        while len(hull) > 1 and (hull[-1][1] - hull[-2][1]) * (point[0] - hull[-2][0]) >= (point[1] - hull[-2][1]) * (
            hull[-1][0] - hull[-2][0]
        ):
            hull.pop()
        hull.append(point)
    return hull
