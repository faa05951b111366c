"""Adams-Bashforth weights: run a polynomial through the last slopes, and integrate it over the step that comes.

    y(end) = y(u_0) + sum_j w_j f(u_j),     w_j = integral_{u_0}^{end} prod_{k != j} (u - u_k) / (u_j - u_k) du.

Equal steps give the classical constants: 1;  (3, -1) / 2;  (23, -16, 5) / 12;  (55, -59, 37, -9) / 24.  Steps that vary need the
integrals themselves, which are those of polynomials: exact, no quadrature.

Book: ``solvers/pndm``, ``solvers/lms``.  Paper: ``hairer1993solving``.
"""

from collections.abc import Sequence

from workbench.solvers import lagrange


def bashforth(nodes: Sequence[float], end: float) -> tuple[float, ...]:
    """The weights w_j of the slopes at ``nodes`` (newest first), for the step from ``nodes[0]`` to ``end``.

    They sum to the length of the step.  The integration runs in units of the step, so that no digits are lost far from 0.

    Raises:
        ValueError: for two equal nodes, or a step of length 0.
    """
    now, step = nodes[0], end - nodes[0]
    if step == 0:
        raise ValueError(f"the step must go somewhere, got end = {end} = nodes[0]")
    moments = [1 / (k + 1) for k in range(len(nodes))]
    return tuple(step * w for w in lagrange.weights([(node - now) / step for node in nodes], moments))


def equal_steps(points: int) -> tuple[float, ...]:
    """The classical constants for ``points`` slopes, as fractions of the step (newest first)."""
    return bashforth([float(-j) for j in range(points)], 1.0)
