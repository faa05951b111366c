"""Every equation the book shows is proved, and a wrong one is caught."""

import dataclasses

import pytest
import sympy as sp

from workbench.symbolic import ALL, Statement, statement

x = sp.Symbol("x", real=True)
IDS = [item.name for item in ALL]


@pytest.mark.parametrize("item", ALL, ids=IDS)
def test_is_proved(item):
    assert item.check() is item


@pytest.mark.parametrize("item", ALL, ids=IDS)
def test_says_something(item):
    assert item.note.endswith(".")
    free = sp.sympify(item.lhs).free_symbols | sp.sympify(item.rhs).free_symbols
    assert free, "an equation without symbols proves nothing"
    assert sp.sympify(item.lhs) != sp.sympify(item.rhs), "both sides are written the same: nothing to prove"
    assert item._repr_latex_().startswith("$\\displaystyle")


@pytest.mark.parametrize("item", ALL, ids=IDS)
def test_a_wrong_factor_or_term_is_caught(item):
    for wrong in (item.rhs + sp.Rational(1, 10**6), sp.Rational(10**6 + 1, 10**6) * item.rhs):
        with pytest.raises(AssertionError, match=item.name):
            dataclasses.replace(item, rhs=wrong).check()


@pytest.mark.parametrize("item", ALL, ids=IDS)
def test_a_wrong_sign_is_caught(item):
    with pytest.raises(AssertionError, match=item.name):
        dataclasses.replace(item, rhs=-item.rhs).check()


def test_names_are_unique_and_found():
    assert len(set(IDS)) == len(ALL)
    assert statement("tweedie") in ALL
    with pytest.raises(ValueError, match="there are data-from-noise"):
        statement("nothing")


def test_what_is_true_but_not_proved_does_not_pass():
    hidden = Statement("root", sp.Abs(sp.Function("f", real=True)(x)), sp.sqrt(sp.Function("f", real=True)(x) ** 2))
    assert hidden.check() is hidden
    with pytest.raises(AssertionError, match="almost: the sides differ by"):
        Statement("almost", sp.sin(x), x - x**3 / 6 + x**5 / 120).check()
