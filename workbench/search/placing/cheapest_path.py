"""The cheapest way from the first to the last of a row of candidates, in a given number of steps."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def cheapest_path(costs: Float[Tensor, "points points"], steps: int, gamma: float = 1.0) -> tuple[int, ...]:
    """Dynamic programming over the candidates: the path i_0 = 0 < i_1 < ... < i_n = M of least

        sum_k gamma^k costs[i_k, i_(k+1)].

    With V_k(i) the least cost of going from i to the end in k steps,

        V_1(i) = costs[i, M],      V_k(i) = min over j > i of  costs[i, j] + gamma V_(k-1)(j).

    Every choice of j is remembered when it is made, so that going back compares no floats; of equally cheap ones the smallest j wins.
    The time is O(n M^2).  Paper: ``chen2024gits``.

        >>> cheapest_path(torch.tensor([[0.0, 1.0, 9.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), 2)
        (0, 1, 2)

    Args:
        costs: of a step from i to j, in row i and column j; only those above the diagonal are looked at.
        steps: n, from 1 to M.
        gamma: more than 1 makes later steps dearer, less than 1 cheaper.

    Raises:
        ValueError: for a matrix that is not square, costs that are not finite, a number of steps that no path has, or gamma not above 0.
    """
    if costs.ndim != 2 or costs.shape[0] != costs.shape[1] or len(costs) < 2:
        raise ValueError(f"costs needs one row and one column for each of two or more candidates, got shape {tuple(costs.shape)}")
    last = len(costs) - 1
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= last:
        raise ValueError(f"a path through {last + 1} candidates has 1 to {last} steps, got steps={steps!r}")
    if not 0 < gamma < math.inf:
        raise ValueError(f"gamma={gamma}; it needs to be positive, and 1 makes all steps equal")
    forward = torch.ones_like(costs, dtype=torch.bool).triu(1)
    if not bool(costs[forward].isfinite().all()):
        raise ValueError("some costs above the diagonal are not finite")
    dear = costs.double().masked_fill(~forward, math.inf)
    least, choices = dear[:, last], []
    for _ in range(steps - 1):
        least, choice = (dear + gamma * least).min(1)
        choices.append(choice)
    path = [0]
    for choice in reversed(choices):
        path.append(int(choice[path[-1]]))
    return (*path, last)
