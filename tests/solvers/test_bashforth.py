"""Adams-Bashforth weights: the classical constants, exact rational integrals, and the moments that define them."""

from fractions import Fraction

import pytest

from workbench.solvers.bashforth import bashforth, equal_steps


def exact(nodes: list[Fraction], end: Fraction) -> list[Fraction]:
    """Solve sum_j w_j u_j^k = integral of u^k, k < q, in rational numbers."""
    q = len(nodes)
    rows = [[node**k for node in nodes] + [(end ** (k + 1) - nodes[0] ** (k + 1)) / (k + 1)] for k in range(q)]
    for i in range(q):
        pivot = next(r for r in range(i, q) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(q):
            if r != i:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def test_classical_constants() -> None:
    wanted = {1: (1,), 2: (1.5, -0.5), 3: (23 / 12, -16 / 12, 5 / 12), 4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}
    for points, constants in wanted.items():
        assert equal_steps(points) == pytest.approx(constants, rel=1e-14)


@pytest.mark.parametrize("nodes", [(9, 14, 30, 31), (2, 9, 17), (5, 3), (-3, -7, -11, -12), (0, 1, 4, 9)])
@pytest.mark.parametrize("end", [-1, 6])
def test_any_nodes_against_rational_arithmetic(nodes, end) -> None:
    wanted = [float(w) for w in exact([Fraction(n) for n in nodes], Fraction(end))]
    assert bashforth([float(n) for n in nodes], float(end)) == pytest.approx(wanted, rel=1e-12)


def test_no_digits_are_lost_far_from_zero() -> None:
    """The same weights wherever the origin lies: steps of 0.001 around 1000."""
    nodes = [Fraction(1000) + Fraction(j, 1024) for j in (0, 1, 3, 4)]
    wanted = [float(w) for w in exact(nodes, Fraction(1000) - Fraction(1, 1024))]
    assert bashforth([float(n) for n in nodes], 1000 - 1 / 1024) == pytest.approx(wanted, rel=1e-12)


def test_messages() -> None:
    with pytest.raises(ValueError, match="distinct"):
        bashforth((1.0, 1.0), 2.0)
    with pytest.raises(ValueError, match="must go somewhere"):
        bashforth((1.0, 0.0), 1.0)
