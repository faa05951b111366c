"""The cascade: it finds a polynomial that is there, and says how little the one that is fitted can be trusted elsewhere."""

import warnings

import pytest

from workbench.search import Cascade, Searched
from workbench.search.cascade import UNITS

STEPS, SCALES = (5, 6, 8, 10), (1.0, 4.0, 8.0)


def true_ratio(i, n, w):
    """A polynomial of the family: two powers of i / n, one of w, two of n."""
    return 1 + 0.3 * (i / n) ** 2 * (w / 12) - 0.2 * (i / n) + 0.1 * (w / 12) ** 2 * (n / 50)


def searched(steps=STEPS, scales=SCALES):
    return [Searched((1.0, 1.0, *(true_ratio(i, n, w) for i in range(2, n))), w) for n in steps for w in scales]


def test_it_finds_the_polynomial() -> None:
    cascade = Cascade.fit(searched())
    assert len(cascade.coefficients) == 36 and cascade.residual < 1e-12
    assert cascade.steps == (5, 10) and cascade.scales == (1.0, 8.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ratios = cascade.ratios(7, 6.0)
    assert ratios[:2] == (1.0, 1.0) and len(ratios) == 7
    assert ratios[2:] == pytest.approx([true_ratio(i, 7, 6.0) for i in range(2, 7)], abs=1e-8)
    assert UNITS == (12.0, 50.0)


def test_it_says_how_badly_conditioned_it_is() -> None:
    """Ratios with errors of 1 %, coefficients with errors of hundreds: a smaller cascade has smaller ones."""
    full, small = Cascade.fit(searched()), Cascade.fit(searched(), degrees=(2, 1, 1))
    assert full.condition > 1e5 and small.condition < full.condition / 100

    def shaken(one, sign):
        return Searched(tuple(ratio + sign * 0.01 * (-1) ** i for i, ratio in enumerate(one.ratios)), one.scale)

    noisy = Cascade.fit([shaken(one, (-1) ** k) for k, one in enumerate(searched())])
    assert max(abs(a - b) for a, b in zip(noisy.coefficients, full.coefficients, strict=True)) > 10


@pytest.mark.parametrize(
    ("steps", "scale", "says"), [(12, 4.0, "steps from 5 to 10"), (4, 4.0, "asked for 4"), (8, 9.0, "scales from 1 to 8")]
)
def test_it_warns_outside_of_its_range(steps, scale, says) -> None:
    with pytest.warns(UserWarning, match=says):
        Cascade.fit(searched()).ratios(steps, scale)


def test_too_little_to_fit() -> None:
    with pytest.raises(ValueError, match="36 coefficients need at least as many ratios, got 9"):
        Cascade.fit(searched((5,)))
    with pytest.raises(ValueError, match=r"determine 24 of 36"):
        Cascade.fit(searched((8, 10), SCALES))
    with pytest.raises(ValueError, match="at least 1"):
        Cascade.fit(searched()).ratios(0)
