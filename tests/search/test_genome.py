"""A mutation loses no step and no skipped block."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.search import Genome
from workbench.search.placing.by_refining import shifted
from workbench.search.placing.genome import snapped


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 4), st.integers(0, 10), st.integers(0, 1000))
def test_numbers_are_kept(count, number, blocks, skipped, seed):
    number, draws = min(number, count), torch.Generator().manual_seed(seed)
    skipped = min(skipped, blocks * (number + 1))
    genome = Genome(count, number, blocks, skipped)
    state = genome.start(range(number), draws)
    for _ in range(20):
        state = genome.mutate(state, draws)
        times, skips = state
        assert len(set(times)) == number and list(times) == sorted(times) and set(times) <= set(range(count))
        assert len(skips) == number + 1 and sum(map(len, skips)) == skipped
        assert all(len(set(one)) == len(one) and set(one) <= set(range(blocks)) for one in skips)


def test_every_state_can_be_reached():
    genome, draws, seen = Genome(5, 2, 2, 1), torch.Generator().manual_seed(0), set()
    state = genome.start((0, 1), draws)
    for _ in range(2000):
        state = genome.mutate(state, draws)
        seen.add(state)
    assert len(seen) == 10 * 6


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10), st.integers(0, 1000))
def test_shifted_points_stay_in_order_and_within(count, seed):
    draws = torch.Generator().manual_seed(seed)
    state = tuple(range(1, count + 1))
    for _ in range(30):
        new = shifted(state, 0.0, count + 1.0, draws)
        assert new != state and len(new) == count
        assert all(a < b for a, b in zip((0.0, *new), (*new, count + 1.0), strict=True))
        state = new


def test_the_nearest_free_candidates():
    times = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    assert snapped([1.0, 0.79, 0.41, 0.0], times) == [0, 1, 3, 5]
    assert snapped([1.0, 0.05, 0.04, 0.03, 0.0], times) == [0, 2, 3, 4, 5], "room is left for those to come"
    assert snapped([1.0, 0.99, 0.98, 0.0], times) == [0, 1, 2, 5]
    with pytest.raises(ValueError, match="more candidates"):
        snapped([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.0], times)


@pytest.mark.parametrize("wrong", [(3, 4, 0, 0), (3, 2, 2, 7), (3, 2, 0, 1)])
def test_bad_input(wrong):
    with pytest.raises(ValueError, match="steps"):
        Genome(*wrong)
