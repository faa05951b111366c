"""Integrals of the polynomial through remembered points: the one formula behind every multistep method of the book.

The polynomial through values f_j at nodes u_j is sum_j f_j L_j(u) with L_j(u) = prod_{k != j} (u - u_k) / (u_j - u_k), so

    integral of w(u) f(u) du  =  sum_j f_j sum_k c_jk M_k,     M_k = integral of w(u) u^k du,    L_j(u) = sum_k c_jk u^k.

Adams-Bashforth, DEIS, DPM-Solver++ and SA-Solver differ in the variable u and in the weight w, and in nothing else.
Book: ``solvers/multistep``.  Paper: ``hairer1993solving``.
"""

from collections.abc import Sequence


def basis(nodes: Sequence) -> list[list]:
    """Row j: the coefficients c_jk of L_j in rising powers of u.  Nodes are floats, or tensors of one shape.

    Raises:
        ValueError: for two equal nodes.
    """
    if len(set(nodes)) < len(nodes):
        raise ValueError(f"interpolation needs distinct nodes, got {list(nodes)}")
    rows = []
    for j, own in enumerate(nodes):
        row = [1.0]
        for k, other in enumerate(nodes):
            if k != j:
                lower, upper = [-other * c for c in row] + [0.0], [0.0, *row]
                row = [(low + up) / (own - other) for low, up in zip(lower, upper, strict=True)]
        rows.append(row)
    return rows


def weights(nodes: Sequence, moments: Sequence) -> tuple:
    """The weights of the values at ``nodes``, from the moments M_0, M_1, ... (as many as there are nodes)."""
    return tuple(sum(c * m for c, m in zip(row, moments, strict=True)) for row in basis(nodes))
