"""Integrals of the polynomial through remembered points: the one formula behind every multistep method of the book.

The polynomial through values f_j at nodes u_j is sum_j f_j L_j(u) with L_j(u) = prod_{k != j} (u - u_k) / (u_j - u_k), so

    integral of w(u) f(u) du  =  sum_j f_j sum_k c_jk M_k,     M_k = integral of w(u) u^k du,    L_j(u) = sum_k c_jk u^k.

Adams-Bashforth, DEIS, DPM-Solver++ and SA-Solver differ in the variable u and in the weight w, and in nothing else.

The same weights W_j are those that integrate every power below their number exactly, sum_j W_j u_j^k = M_k, and that system is solved
in a handful of operations without the polynomials: this is how plans are made.

Book: ``solvers/multistep``.  Papers: ``hairer1993solving``; the system ``bjorck1970vandermonde``.
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
    """The weights of the values at ``nodes``, from the moments M_0, M_1, ... (as many as there are nodes).

    Raises:
        ValueError: for two equal nodes, or another number of moments.
    """
    if len(set(nodes)) < len(nodes) or len(moments) != len(nodes):
        raise ValueError(f"interpolation needs distinct nodes, and a moment for each, got {list(nodes)} and {len(moments)} moments")
    found, last = list(moments), len(nodes) - 1
    for k in range(last):
        for i in range(last, k, -1):
            found[i] = found[i] - nodes[k] * found[i - 1]
    for k in range(last - 1, -1, -1):
        for i in range(k + 1, last + 1):
            found[i] = found[i] / (nodes[i] - nodes[i - k - 1])
        for i in range(k, last):
            found[i] = found[i] - found[i + 1]
    return tuple(found)
