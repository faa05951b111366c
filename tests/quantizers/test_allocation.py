"""Allocation of bits: exact against brute force, what greedy guarantees, and the continuous bound."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.quantizers import allocation


def total(errors, bits):
    return sum(table[b] for table, b in zip(errors, bits, strict=True))


def spent(sizes, bits):
    return sum(b * size for b, size in zip(bits, sizes, strict=True))


def brute_force(errors, sizes, budget):
    feasible = (bits for bits in itertools.product(*errors) if spent(sizes, bits) <= budget)
    return min(total(errors, bits) for bits in feasible)


@st.composite
def instances(draw):
    number = st.one_of(st.just(0.0), st.floats(0, 1e300), st.floats(0, 1).map(lambda u: 1e-9 * u))
    choices = st.sets(st.sampled_from([0, 1, 2, 3, 4, 6, 8, 16]), min_size=1, max_size=4)
    errors = [{bits: draw(number) for bits in draw(choices)} for _ in range(draw(st.integers(1, 6)))]
    sizes = [draw(st.one_of(st.integers(1, 9), st.integers(1, 10**6), st.sampled_from([64, 4096]))) for _ in errors]
    least, most = (spent(sizes, [pick(table) for table in errors]) for pick in (min, max))
    return errors, sizes, draw(st.integers(least, most + 3))


def curves(rng, count, bits=(1, 2, 4, 8)):
    """Errors c / (2^b - 1)^2, decreasing and convex, and sizes, as activations have them."""
    c = (10.0 ** (4 * rng.random() - 2) for _ in range(count))
    return [{b: x / (2**b - 1) ** 2 for b in bits} for x in c], [
        rng.choice([1, 3, 16, 100]) * rng.randint(1, 40) for _ in range(count)
    ]


@given(instances())
@settings(max_examples=60, deadline=None)
def test_exact_is_brute_force_and_greedy_is_feasible(instance):
    errors, sizes, budget = instance
    best, quick = allocation.exact(*instance), allocation.greedy(*instance)
    for bits in (best, quick):
        assert spent(sizes, bits) <= budget and all(b in table for b, table in zip(bits, errors, strict=True))
    optimum = brute_force(*instance)
    lost = 1e-300 * max(max(table.values()) for table in errors)  # in units of the largest error, less than that is nothing
    assert math.isclose(total(errors, best), optimum, rel_tol=1e-12, abs_tol=lost)
    assert total(errors, quick) >= optimum * (1 - 1e-12)


def test_greedy_is_at_most_its_last_drop_away_where_errors_are_convex():
    import random

    rng, worse = random.Random(0), 0
    for _ in range(60):
        errors, sizes = curves(rng, 4, bits=(1, 2, 3, 4, 5, 6))
        budget = int(sum(sizes) * rng.uniform(1.2, 5))
        quick, optimum = allocation.greedy(errors, sizes, budget), brute_force(errors, sizes, budget)
        drops = [table[b] - table[b + 1] for table, b in zip(errors, quick, strict=True) if b < 6]
        assert total(errors, quick) <= optimum + max(drops, default=0) + 1e-9
        worse += total(errors, quick) > optimum * (1 + 1e-9)
    assert worse > 6  # greedy is not optimal: sizes differ, and the last drop may save more than was needed


def test_greedy_order_by_hand():
    errors = [{1: 10.0, 2: 4.0, 4: 0.0}, {1: 6.0, 2: 2.0, 4: 1.0}]
    # from 4, 4 (spent 80): rates 4 / 20 and 1 / 20, so unit 1 drops to 2; then 4 / 20 and 4 / 10; then unit 0 is at 2: 6 / 10, 4 / 10
    assert [allocation.greedy(errors, [10, 10], budget) for budget in (80, 79, 59, 39, 29)] == [
        [4, 4],
        [4, 2],
        [2, 2],
        [2, 1],
        [1, 1],
    ]


def test_a_good_answer_beside_a_terrible_choice_is_not_lost_to_rounding():
    assert allocation.exact([{0: 0.0}, {0: 3e11, 1: 0.8553190927147671}], [1, 1], 1) == [0, 1]


def test_cheapest_of_equal_answers():
    assert allocation.exact([{1: 2.0, 8: 2.0}, {2: 1.0, 4: 0.5}], [7, 7], 1000) == [1, 4]


def test_errors_that_rise_with_the_bits_are_dropped_first():
    errors = [{2: 1.0, 4: 5.0}, {2: 1.0, 4: 0.0}]
    assert allocation.greedy(errors, [10, 10], 70) == [2, 4] and allocation.exact(errors, [10, 10], 80) == [2, 4]


def test_forty_layers_of_real_sizes():
    import random

    rng = random.Random(1)
    sizes = [rng.choice([432, 2304, 9216, 18432, 36864, 73728, 147456, 10, 48, 96]) for _ in range(40)]
    errors = [{b: 10 ** rng.uniform(-3, 1) * size * 4.0**-b * rng.uniform(0.7, 1.4) for b in (2, 3, 4, 6, 8)} for size in sizes]
    budget = 4 * sum(sizes)
    best = allocation.exact(errors, sizes, budget)
    assert spent(sizes, best) <= budget and total(errors, best) <= total(errors, allocation.greedy(errors, sizes, budget))
    room = budget - spent(sizes, best)
    moves = [
        [((b - now) * size, error - table[now]) for b, error in table.items()]
        for table, size, now in zip(errors, sizes, best, strict=True)
    ]
    for one, other in itertools.combinations(moves, 2):  # no pair of changes within the budget is better
        assert all(p + q > room or gain + loss >= -1e-9 for p, gain in one for q, loss in other)


def test_the_continuous_bound_is_below_every_whole_allocation_and_met_by_its_own_bits():
    import random

    rng = random.Random(2)
    for _ in range(15):
        sizes = [rng.randint(1, 50) for _ in range(4)]
        c = [10 ** rng.uniform(-3, 3) for _ in sizes]
        budget = rng.uniform(0.5, 6) * sum(sizes)
        bits = allocation.relaxed(c, sizes, budget)
        assert min(bits) >= 0 and math.isclose(spent(sizes, bits), budget, rel_tol=1e-9)
        bound = sum(x * 4.0**-b for x, b in zip(c, bits, strict=True))
        assert bound <= brute_force([{b: x * 4.0**-b for b in range(8)} for x in c], sizes, budget) * (1 + 1e-9)
        for size, x, b in zip(sizes, c, bits, strict=True):  # at the optimum, an extra bit of budget is worth the same everywhere
            worth = [y * 4.0**-d / n for n, y, d in zip(sizes, c, bits, strict=True)]
            assert math.isclose(x * 4.0**-b / size, max(worth), rel_tol=1e-9) if b > 0 else x / size <= max(worth) * (1 + 1e-9)


def test_the_formula_of_the_continuous_bound():
    bits = allocation.relaxed([1.0, 16.0], [10, 10], 80)
    assert bits == pytest.approx([3.0, 5.0])
    assert allocation.relaxed([1.0, 4.0], [1, 3], 16) == pytest.approx(
        [4 - 0.75 * 0.5 * math.log2(4 / 3), 4 + 0.25 * 0.5 * math.log2(4 / 3)]
    )
    assert allocation.relaxed([0.0, 5.0], [10, 10], 40) == [0.0, 4.0]
    assert allocation.relaxed([0.0, 5.0], [10, 10], 40, lowest=1) == [1.0, 3.0]
    assert allocation.relaxed([0.0, 0.0], [1, 1], 40) == [0.0, 0.0]


@pytest.mark.parametrize("how", [allocation.exact, allocation.greedy])
@pytest.mark.parametrize(
    ("errors", "sizes", "budget", "words"),
    [
        ([], [], 5, "at least one unit"),
        ([{1: 0.0}], [3, 4], 5, "one size for each unit"),
        ([{2: 0.0}], [3], 5, "cheapest choice of all units needs 6"),
        ([{2: 0.0}], [3], math.nan, "budget is nan"),
        ([{2: math.nan}], [3], 6, "finite and not negative"),
        ([{2: math.inf}], [3], 6, "finite and not negative"),
        ([{2: -1.0}], [3], 6, "finite and not negative"),
        ([{}], [3], 6, "no choice of bits"),
        ([{-1: 0.0}], [3], 6, "whole numbers of at least 0"),
        ([{2: 0.0}], [0], 6, "at least 1"),
    ],
)
def test_errors(how, errors, sizes, budget, words):
    with pytest.raises(ValueError, match=words):
        how(errors, sizes, budget)


def test_errors_of_the_bound():
    with pytest.raises(ValueError, match="need 20"):
        allocation.relaxed([1.0, 1.0], [5, 5], 19, lowest=2)
    with pytest.raises(ValueError, match="not negative"):
        allocation.relaxed([-1.0], [5], 19)
