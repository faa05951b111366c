"""Water filling, and the mean and variance of sums that are sampled by it."""

import math

import pytest
import torch
from chance import assert_standard, z_scores
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers.training import leverage


def heavy(rows, columns, rng):
    """Rows of very different sizes, one of them 0."""
    size = torch.randn(rows, 1, generator=rng).mul(1.5).exp()
    size[3] = 0
    return size * torch.randn(rows, columns, generator=rng)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=40), st.floats(0.05, 45))
def test_the_vessels_hold_the_budget(values, budget):
    c = torch.tensor(values)
    p = leverage.water_filling(c, budget)
    assert torch.equal(p > 0, c > 0) and float(p.max()) <= 1
    assert float(p.sum()) == pytest.approx(min(budget, int((c > 0).sum())), rel=1e-9)
    partly = (p > 0) & (p < 1)
    if partly.any():  # one rate for all that are not full, and the full ones would overflow at that rate
        rate = (p[partly] / c[partly].double()).mean()
        assert torch.allclose(p[partly], rate * c[partly].double(), rtol=1e-6)
        assert bool((c[p == 1].double() * rate >= 1 - 1e-6).all())


def test_no_other_probabilities_of_the_same_budget_do_better(rng):
    for budget in (3.0, 10.5):
        c = leverage.scores(heavy(40, 6, rng), heavy(40, 5, rng))
        best = leverage.variance(c, leverage.water_filling(c, budget))
        for _ in range(50):
            other = leverage.water_filling(torch.rand(40, generator=rng) + 0.02, budget)
            other[c == 0] = other[c == 0].clamp(min=0.0)
            assert best <= leverage.variance(c, other) * (1 + 1e-12)
        p = leverage.water_filling(c, budget)  # nor does a small shift from one row to another
        free = ((p > 0) & (p < 0.99)).nonzero().flatten()
        for i, j in zip(free[:-1], free[1:], strict=True):
            for shift in (1e-3, -1e-3):
                moved = p.clone()
                amount = shift * min(float(p[i]), float(p[j]))
                moved[i] += amount
                moved[j] -= amount
                assert best <= leverage.variance(c, moved)


def test_by_hand():
    p = leverage.water_filling(torch.tensor([8.0, 1.0, 1.0, 0.0]), 2.0)
    assert p.tolist() == pytest.approx([1.0, 0.5, 0.5, 0.0])
    assert leverage.variance(torch.tensor([8.0, 1.0, 1.0, 0.0]), p) == pytest.approx(2.0)
    assert leverage.water_filling(torch.tensor([1.0, 1.0, 2.0]), 1.0).tolist() == pytest.approx([0.25, 0.25, 0.5])
    assert leverage.water_filling(torch.tensor([5.0, 0.0]), 3.0).tolist() == [1, 0]
    assert leverage.water_filling(torch.zeros(3), 1.0).tolist() == [0, 0, 0]


def test_mean_and_variance_of_a_sampled_product(rng):
    g, x = heavy(60, 7, rng).double(), heavy(60, 5, rng).double()
    c = leverage.scores(g, x)
    p = leverage.water_filling(c, 20.0)
    weight = torch.where(p > 0, (1 - p) / p, 0.0)
    each = torch.einsum("i,io,ik->ok", weight, g.square(), x.square())
    repeats, total, squares = 800, 0, []
    exact = g.T @ x
    for _ in range(repeats):
        found = leverage.sampled_product(g, x, p, rng)
        total = total + found
        squares.append(float((found - exact).square().sum()))
    assert_standard(z_scores(total, repeats, exact, each), independent=25)
    squares = torch.tensor(squares)
    formula = leverage.variance(c, p)
    assert float(each.sum()) == pytest.approx(formula, rel=1e-9)
    assert abs(float(squares.mean()) - formula) < 5 * float(squares.std()) / math.sqrt(repeats)


def test_leverage_beats_gradient_norms_and_even_chances(rng):
    g, x = heavy(400, 16, rng), heavy(400, 16, rng)
    c = leverage.scores(g, x)
    found = [leverage.variance(c, leverage.water_filling(s, 100.0)) for s in (c, leverage.scores(g), (c > 0).float())]
    assert found[0] < 0.9 * found[1] and found[0] < 0.2 * found[2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: leverage.water_filling(torch.tensor([1.0, -1.0]), 1.0), "not negative"),
        (lambda: leverage.water_filling(torch.tensor([1.0, math.nan]), 1.0), "finite"),
        (lambda: leverage.water_filling(torch.ones(2), 0.0), "budget is 0.0"),
        (lambda: leverage.variance(torch.ones(2), torch.tensor([1.0, 0.0])), "biased"),
        (lambda: leverage.scores(torch.ones(2, 3), torch.ones(3, 3)), "each row needs both"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
