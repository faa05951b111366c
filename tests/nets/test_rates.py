"""Learning-rate schedules against their formulas and shapes."""

import math

import numpy as np
import pytest

from workbench.nets.training.rates import REX, Constant, Cosine, Linear, Rate, WarmupStableDecay

ALL = (Constant, Linear, Cosine, WarmupStableDecay, REX)


@pytest.mark.parametrize("kind", ALL)
def test_they_start_at_one_fall_and_end_at_zero_unless_constant(kind):
    values = [kind().decay(z) for z in np.linspace(0, 1, 101)]
    assert values[0] == 1 and max(np.diff(values)) <= 0
    assert values[-1] == (1 if kind is Constant else pytest.approx(0, abs=1e-15))


@pytest.mark.parametrize("kind", ALL)
def test_warmup_is_linear_in_steps_and_multiplies(kind):
    warm, cold = kind(warmup=10), kind()
    assert [warm.factor(k, 100) / cold.factor(k, 100) for k in range(12)] == pytest.approx(
        [*[(k + 1) / 10 for k in range(10)], 1, 1]
    )


def test_rex_is_its_formula_concave_and_above_linear():
    z = np.linspace(0, 0.99, 100)
    rex = np.array([REX().decay(value) for value in z])
    np.testing.assert_allclose(rex, (1 - z) / (0.5 + 0.5 * (1 - z)), atol=1e-15)
    assert REX().decay(0.5) == pytest.approx(2 / 3)
    assert (rex >= 1 - z).all() and (np.diff(rex, 2) < 1e-12).all()


def test_cosine_passes_through_a_half_and_the_stable_rate_waits_for_its_tail():
    assert Cosine().decay(0.5) == pytest.approx(0.5) and Cosine().decay(0.25) == pytest.approx((1 + math.sqrt(0.5)) / 2)
    stable = WarmupStableDecay(tail=0.25)
    assert [stable.decay(z) for z in (0.0, 0.5, 0.75)] == [1, 1, 1] and stable.decay(0.875) == pytest.approx(0.5)


def test_a_schedule_needs_sense():
    with pytest.raises(ValueError, match="warmup=-1"):
        Constant(-1)
    for tail in (0.0, 1.5):
        with pytest.raises(ValueError, match="tail="):
            WarmupStableDecay(tail=tail)
    with pytest.raises(TypeError):
        Rate()
