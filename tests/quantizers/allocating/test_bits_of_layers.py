"""Bits of layers: the budget holds whatever is mutated, the levels are never left, and a search finds what brute force finds."""

import itertools
import math
from operator import mul

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers import BitBudget, additive, allocation
from workbench.search import Evolution, evolve


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def walk(budget, steps, seed=0):
    generator = seeded(seed)
    state = budget.start(generator)
    for _ in range(steps):
        state = budget.mutate(state, generator)
        yield state


def test_one_size_and_even_levels_keep_the_cost_to_the_bit():
    budget, seen = BitBudget((4096,) * 12, 4, (2, 3, 4, 5, 6)), set()
    for state in walk(budget, 10_000):
        assert budget.cost(state) == budget.bits == 4 * 4096 * 12 and set(state) <= {2, 3, 4, 5, 6}
        seen.add(state)
    assert len(seen) > 5000


@pytest.mark.parametrize("same_size", [False, True])
def test_any_sizes_never_exceed_the_budget(same_size):
    sizes = (2304, *(16384,) * 4, 256, 640, 640, 1)
    budget = BitBudget(sizes, 3.3, (2, 3, 4, 6, 8), same_size)
    seen, least = set(), math.inf
    for state in walk(budget, 5000, seed=1):
        assert budget.cost(state) <= budget.bits and set(state) <= {2, 3, 4, 6, 8} and len(state) == 9
        seen.add(state)
        least = min(least, budget.cost(state))
    assert len(seen) > 40, "it moves"
    assert least > 0.7 * budget.bits, "and does not let the budget go to waste"


def test_one_switch_at_a_time_reaches_everything():
    """From one allocation all others of the same cost, where sizes are equal."""
    budget = BitBudget((7,) * 4, 3, (2, 3, 4))
    every = {bits for bits in itertools.product((2, 3, 4), repeat=4) if sum(bits) == 12}
    assert {budget.uniform(), *walk(budget, 3000)} == every


def test_bits_do_not_move_between_sizes_where_they_must_not():
    budget = BitBudget((8, 8, 8, 16, 16, 16), 3, (2, 3, 4), same_size=True)
    for state in walk(budget, 2000):
        assert sum(state[:3]) == sum(state[3:]) == 9
    moved = {sum(state[:3]) for state in walk(BitBudget((8, 8, 8, 16, 16, 16), 3, (2, 3, 4)), 2000)}
    assert len(moved) > 2


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=8),
    st.sets(st.integers(1, 16), min_size=1, max_size=6),
    st.floats(1, 20),
    st.booleans(),
    st.integers(0, 2**30),
)
def test_whatever_the_sizes_and_levels(sizes, levels, average, same_size, seed):
    levels = tuple(levels)
    if average < min(levels):
        with pytest.raises(ValueError, match="below the lowest level"):
            BitBudget(tuple(sizes), average, levels, same_size)
        return
    budget, generator = BitBudget(tuple(sizes), average, levels, same_size), seeded(seed)
    assert len(set(budget.uniform())) == 1 and budget.cost(budget.uniform()) <= budget.bits
    state = budget.start(generator)
    for _ in range(5):
        assert budget.check(state) == state
        state = budget.mutate(state, generator)


def test_the_start_spends_what_uniform_leaves():
    budget = BitBudget((10,) * 10, 3.5, (2, 3, 4))
    assert budget.uniform() == (3,) * 10 and budget.cost(budget.start(seeded())) == budget.bits == 350
    assert budget.start(seeded(1)) != budget.start(seeded(2))
    assert BitBudget((3, 5), 5, (4, 6)).uniform() == (4, 4)


def test_a_product_of_floats_does_not_lose_a_bit():
    assert BitBudget((10,), 2.3, (2,)).bits == 23 and BitBudget((1000,), 4.1, (2,)).bits == 4100


@pytest.mark.parametrize(("count", "levels"), [(8, (2, 3, 4)), (5, (2, 3, 4, 6, 8)), (4, (1, 2, 4, 8, 16))])
def test_with_additive_errors_the_search_finds_the_best_of_all(count, levels):
    """Random sizes and errors, which need not fall with the bits; brute force and the knapsack say what is best."""
    draws = seeded(count)
    sizes = tuple(int(n) for n in 16 * torch.randint(1, 9, (count,), generator=draws))
    worth = torch.rand(count, len(levels), generator=draws).double() / 4.0 ** torch.tensor(levels)
    alone = [dict(zip(levels, row, strict=True)) for row in worth.tolist()]
    budget, average = BitBudget(sizes, 3.5, levels), 3.5
    every = [bits for bits in itertools.product(levels, repeat=count) if sum(map(mul, bits, sizes)) <= average * sum(sizes)]
    best = min(sum(errors[b] for errors, b in zip(alone, bits, strict=True)) for bits in every)
    assert math.isclose(additive(alone, allocation.exact(alone, sizes, budget.bits)), best, rel_tol=1e-12)
    asked = lambda bits, stage: additive(alone, bits)  # noqa: E731
    found = evolve(budget.start(draws), budget.mutate, asked, Evolution(80, 8, tries=5), generator=draws)
    assert math.isclose(found.fitness, best, rel_tol=1e-12) and found.best in every
    assert found.evaluations < len(every)


def test_what_is_no_allocation_is_refused():
    budget = BitBudget((4, 4), 3, (2, 3, 4))
    for bits, message in (
        ((3,), "for each of 2 layers"),
        ((3, 5), "one of the levels"),
        ((3, 4), "28 bits are more than the budget of 24"),
    ):
        with pytest.raises(ValueError, match=message):
            budget.mutate(bits, seeded())
    for sizes, levels in (((), (2,)), ((4,), ()), ((0,), (2,)), ((4.0,), (2,)), ((4,), (0, 2))):
        with pytest.raises((ValueError, TypeError), match="whole numbers of at least 1|violates type hint"):
            BitBudget(sizes, 3, levels)
    with pytest.raises(ValueError, match="below the lowest level, 2"):
        BitBudget((4,), 1.5)
    with pytest.raises(ValueError, match="below the lowest level"):
        BitBudget((4,), math.nan)


def test_where_there_is_nothing_to_switch_nothing_changes():
    assert BitBudget((4, 4), 9, (2, 8)).mutate((8, 8), seeded()) == (8, 8)
    assert BitBudget((4, 4), 2, (2, 8)).mutate((2, 2), seeded()) == (2, 2)
