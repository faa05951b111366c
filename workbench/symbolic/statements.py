"""An equation that can be shown on a page and proved in a test: one object for both."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp


@dataclass(frozen=True)
class Statement:
    """``lhs = rhs`` under `given` definitions.

    Args:
        name: lower-case words joined by ``-``.
        lhs, rhs: SymPy expressions as they should be read.
        given: definitions ``symbol -> expression``, put in before the comparison (in order, so that one may use the
        next). assumptions: what is assumed beyond the symbols' own assumptions, in words.
        note: what the equation says, in one sentence.
        ranges: symbol -> (low, high) for the numeric spot check; other symbols are taken from (0.2, 0.9).
    """

    name: str
    lhs: sp.Expr
    rhs: sp.Expr
    given: Mapping[sp.Basic, sp.Expr] = field(default_factory=dict)
    assumptions: str = ""
    note: str = ""
    ranges: Mapping[sp.Symbol, tuple[float, float]] = field(default_factory=dict)

    def difference(self) -> sp.Expr:
        """``lhs - rhs`` with the definitions put in and derivatives and integrals carried out."""
        value = sp.sympify(self.lhs) - sp.sympify(self.rhs)
        for symbol, expression in self.given.items():
            value = value.subs(symbol, expression)
        return value.doit()

    def check(self) -> "Statement":
        """Prove it: the difference simplifies to zero, and vanishes at five points in 30 digits. Returns itself.

        Raises AssertionError that says where the two sides differ.
        """
        difference = self.difference()
        self._spot_check(difference)
        for simplify in (
            sp.expand,
            _by_fractions,
            _by_error_functions,
            sp.simplify,
            _by_roots,
            sp.trigsimp,
        ):  # the quick ones first
            if simplify(difference) == 0:
                return self
        raise AssertionError(f"{self.name}: holds at the points tried, but is not proved; left over: {sp.simplify(difference)}")

    def _spot_check(self, difference: sp.Expr) -> None:
        draw = random.Random(self.name)
        symbols = sorted(difference.free_symbols, key=str)
        for _ in range(5):
            point = {s: sp.Rational(round(draw.uniform(*self.ranges.get(s, (0.2, 0.9))) * 997), 997) for s in symbols}
            value = sp.N(difference.subs(point).doit(), 30, maxn=200, chop=True)
            if not (value.is_number and abs(value) < sp.Float("1e-20")):
                raise AssertionError(f"{self.name}: the sides differ by {sp.N(value, 6)} at {point}")

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {sp.latex(self.lhs)} = {sp.latex(self.rhs)}$"


def _by_fractions(expression: sp.Expr) -> sp.Expr:
    """One fraction without common factors, every function of the symbols taken for a symbol of its own; as it is where there is none."""
    try:
        return sp.cancel(sp.together(sp.expand_power_exp(sp.expand_log(expression))))
    except sp.PolynomialError:
        return expression


def _by_error_functions(expression: sp.Expr) -> sp.Expr:
    """erfc(x) as 1 - erf(x): SymPy's integrals hold one or the other, as it happens."""
    return sp.expand(expression.rewrite(sp.erf))


def _by_roots(expression: sp.Expr) -> sp.Expr:
    """Factor below every square root, so that roots of hidden squares disappear."""
    root = sp.Rational(1, 2)
    simple = sp.simplify(expression)
    factored = simple.replace(lambda e: e.is_Pow and e.exp == root, lambda e: sp.sqrt(sp.factor(sp.expand(e.base))))
    return sp.simplify(factored)
