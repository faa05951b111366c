"""phi functions in 60 digits, the exact solution by quadrature, and the interpolation behind the multistep methods."""

import math

import mpmath
import pytest
import torch
from helpers import SCHEDULES, lam, levels, name
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from workbench.solvers import lagrange
from workbench.solvers.exponential import check_face, exact_step, phi

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


@given(st.integers(0, 5), st.floats(-40, 40))
def test_phi(k: int, z: float) -> None:
    with mpmath.workdps(60):
        exact = mpmath.mpf(z)
        short = sum(exact**j / mpmath.factorial(j) for j in range(k))
        wanted = float((mpmath.exp(exact) - short) / exact**k if abs(z) > 1e-8 else 1 / mpmath.factorial(k) * (1 + exact / (k + 1)))
    assert phi(k, z) == pytest.approx(wanted, rel=2e-13)
    assert phi(k, torch.tensor([z, 0.0], dtype=torch.float64)).tolist() == pytest.approx(
        [phi(k, z), 1 / math.factorial(k)], rel=1e-13
    )


def test_phi_refuses_a_negative_index() -> None:
    with pytest.raises(ValueError, match="k >= 0"):
        phi(-1, 1.0)


@every
@pytest.mark.parametrize("face", ["data", "noise"])
@pytest.mark.parametrize("tau", [0.0, 0.6, 1.0])
def test_exact_step_by_quadrature(schedule, face, tau) -> None:
    """An answer that is a cubic in lambda is integrated without error; with noise, from the SDE's own integrating factor."""
    t, s = (0.8, 0.3) if schedule.t_max == 1 else (8.0, 0.6)
    (a, b), (c, d), low, high = levels(schedule, t), levels(schedule, s), lam(schedule, t), lam(schedule, s)
    derivatives, rate = (0.7, -0.4, 0.9, 1.3), 1 + tau**2
    answer = lambda u: sum(m * (u - low) ** k / math.factorial(k) for k, m in enumerate(derivatives))  # noqa: E731
    got = exact_step(schedule, t, s, face, 4, tau)
    if face == "data":
        integral = quad(lambda u: rate * d * math.exp(-(tau**2) * high + rate * u) * answer(u), low, high, epsrel=1e-12)[0]
        assert got.x == pytest.approx(d / b * math.exp(-(tau**2) * (high - low)), rel=1e-10)
        assert got.noise**2 == pytest.approx(d * d * (1 - math.exp(-2 * tau**2 * (high - low))), rel=1e-9, abs=1e-15)
    else:
        integral = quad(lambda u: -rate * c * math.exp(-u) * answer(u), low, high, epsrel=1e-12)[0]
        assert got.x == pytest.approx(c / a, rel=1e-12)
        assert got.noise**2 == pytest.approx((tau * d) ** 2 * (math.exp(2 * (high - low)) - 1), rel=1e-9, abs=1e-15)
    total = sum(weight * m for weight, m in zip(got.derivatives, derivatives, strict=True))
    assert total == pytest.approx(integral, rel=1e-8)
    both = torch.tensor([t, t], dtype=torch.float64)
    tensors = exact_step(schedule, both, torch.tensor([s, s], dtype=torch.float64), face, 4, tau)
    assert [row.tolist()[0] for row in tensors.derivatives] == pytest.approx(list(got.derivatives), rel=1e-11)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5, unique_by=lambda u: round(u, 1)))
def test_interpolation_reproduces_polynomials(nodes: list[float]) -> None:
    """Integrals from 0 to 1 of all powers below the number of nodes come out exactly."""
    if (
        len({round(u, 1) for u in nodes}) < len(nodes)
        or min([abs(a - b) for a in nodes for b in nodes if a != b], default=1) < 0.05
    ):
        return
    moments = [1 / (k + 1) for k in range(len(nodes))]
    got = lagrange.weights(nodes, moments)
    for k, moment in enumerate(moments):
        assert sum(w * u**k for w, u in zip(got, nodes, strict=True)) == pytest.approx(moment, abs=1e-7)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5, unique_by=lambda u: round(u, 1)))
def test_weights_are_the_integrals_of_the_basis(nodes: list[float]) -> None:
    """The solved system and the polynomials written out: the same weights, for moments that belong to no simple integral."""
    if min([abs(a - b) for a in nodes for b in nodes if a is not b], default=1) < 0.05:
        return
    moments = [0.7, -1.3, 0.4, 2.2, -0.6][: len(nodes)]
    wanted = [sum(c * m for c, m in zip(row, moments, strict=True)) for row in lagrange.basis(nodes)]
    assert lagrange.weights(nodes, moments) == pytest.approx(wanted, rel=1e-7, abs=1e-7 * max(map(abs, wanted)))


def test_adams_bashforth() -> None:
    """Even steps and no weight: the classical coefficients."""
    moments = [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert lagrange.weights([0.0, -1.0, -2.0, -3.0], moments) == pytest.approx([55 / 24, -59 / 24, 37 / 24, -9 / 24])
    with pytest.raises(ValueError, match="distinct"):
        lagrange.basis([0.0, 0.0])
    with pytest.raises(ValueError, match="a moment for each"):
        lagrange.weights([0.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="distinct"):
        lagrange.weights([0.0, 0.0], [1.0, 1.0])


def test_faces() -> None:
    with pytest.raises(ValueError, match="'data' or 'noise'"):
        check_face("velocity")
