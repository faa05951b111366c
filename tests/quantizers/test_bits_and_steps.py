"""The law of bits and steps, its fit, and where it is cheapest."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb

Q = wb.quantizers
LAW = Q.ErrorLaw(solver=0.8, order=2.0, rounding=1.6)


def table(law, bits=(3, 4, 5, 6, 8, 32), counts=(2, 4, 8, 16, 32)):
    rows = [(b, n, law.error(b, n)) for b in bits for n in counts]
    return tuple(torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("together", [1.0, 2.0])
def test_what_was_put_in_is_found(together):
    law = Q.ErrorLaw(0.8, 1.3, 1.6, rate=0.9, together=together)
    found = Q.fit_law(*table(law), together=together)
    assert found.misfit < 1e-6
    for name in ("solver", "order", "rounding", "rate"):
        assert getattr(found.law, name) == pytest.approx(getattr(law, name), rel=1e-4)
    fixed = Q.fit_law(*table(LAW), order=2.0, rate=1.0)
    assert fixed.law.solver == pytest.approx(0.8, rel=1e-6) and fixed.standard_errors["order"] == 0


def test_standard_errors_are_as_large_as_the_scatter_of_fits():
    rng, (b, n, e) = torch.Generator().manual_seed(0), table(LAW)
    fits = [Q.fit_law(b, n, e * (0.1 * torch.randn(len(e), generator=rng, dtype=torch.float64)).exp(), rate=1.0) for _ in range(60)]
    for name in ("solver", "order", "rounding"):
        values = torch.tensor([getattr(fit.law, name) for fit in fits])
        said = torch.tensor([fit.standard_errors[name] for fit in fits]).mean()
        assert 0.7 < float(values.std() / said) < 1.4
    assert torch.tensor([fit.misfit for fit in fits]).mean() == pytest.approx(0.1, rel=0.15)


def test_weights_count():
    b, n, e = table(LAW)
    wild = e.clone()
    wild[0] *= 5
    spread = torch.full_like(e, 0.01)
    spread[0] = 10.0
    assert Q.fit_law(b, n, wild, spread=spread).law.order == pytest.approx(2, rel=1e-3)
    assert abs(Q.fit_law(b, n, wild).law.rounding / 1.6 - 1) > 0.05


def test_crossover_and_another_bit():
    for law in (LAW, Q.ErrorLaw(0.8, 1.0, 1.6)):
        n = law.crossover(5)
        assert law.solver * n**-law.order == pytest.approx(law.floor(5))
        assert law.crossover(6) / n == pytest.approx(2 ** (1 / law.order))
    assert LAW.error(5, LAW.crossover(5)) == pytest.approx(2 * LAW.floor(5))
    assert Q.ErrorLaw(0.8, 2.0, 1.6, together=2.0).error(5, LAW.crossover(5)) == pytest.approx(math.sqrt(2) * LAW.floor(5))


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.01, 10), st.floats(0.5, 4), st.floats(0.01, 10), st.sampled_from((1.0, 2.0)), st.floats(1e-3, 0.5),
)  # fmt: skip
def test_the_cheapest_is_cheapest(solver, order, rounding, together, error):
    law = Q.ErrorLaw(solver, order, rounding, together=together)
    chosen = law.cheapest(error, range(1, 20))
    assert law.error(chosen.bits, chosen.evaluations) <= error * (1 + 1e-6)
    for b in range(1, 20):
        n = max(1, (chosen.price - 1) // b)  # whatever costs less
        assert b * n >= chosen.price or law.error(b, n) > error * (1 - 1e-6)


def test_the_share_of_rounding_is_where_the_price_is_least():
    for order in (1.0, 2.0):
        law, error = Q.ErrorLaw(0.8, order, 1.6), 1e-4
        bits = torch.linspace(13.7, 22, 20_001, dtype=torch.float64)
        price = torch.tensor([b * law.evaluations(b, error) for b in bits.tolist()])
        best = float(bits[price.argmin()])
        assert law.floor(best) / error == pytest.approx(Q.rounding_share(order, best), rel=2e-2)


def test_bad_input():
    with pytest.raises(ValueError, match="order=-1"):
        Q.ErrorLaw(1.0, -1.0, 1.0)
    with pytest.raises(ValueError, match="more bits"):
        LAW.cheapest(1e-9, range(2, 9))
    assert LAW.evaluations(4, 1e-9) == math.inf
    with pytest.raises(ValueError, match="more than 4 rows"):
        Q.fit_law([4, 5], [1, 2], [0.1, 0.2])
    for broken in ([0.0] * 6, [math.nan] * 6):
        with pytest.raises(ValueError, match="positive and finite"):
            Q.fit_law([4.0] * 6, [1.0] * 6, broken)
