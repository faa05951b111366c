"""Dynamic programming finds what trying all paths finds, ties included."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.search import cheapest_path


def price(costs, path, gamma):
    return sum(gamma**k * float(costs[i, j]) for k, (i, j) in enumerate(itertools.pairwise(path)))


def all_paths(points, steps):
    return [(0, *inner, points - 1) for inner in itertools.combinations(range(1, points - 1), steps - 1)]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10_000), st.sampled_from([0.8, 1.0, 1.15]), st.booleans())
def test_it_equals_brute_force(points, seed, gamma, tied):
    draws = torch.Generator().manual_seed(seed)
    costs = torch.rand(points, points, generator=draws, dtype=torch.float64)
    costs = (3 * costs).floor() if tied else costs  # few whole numbers: many paths cost the same
    for steps in range(1, points):
        path = cheapest_path(costs, steps, gamma)
        paths = all_paths(points, steps)
        assert path in paths
        assert price(costs, path, gamma) == pytest.approx(min(price(costs, one, gamma) for one in paths), abs=1e-12)
        if tied and gamma == 1:
            assert path == min(paths, key=lambda one: (price(costs, one, 1.0), one)), "of equal ones the first"


def test_only_what_lies_above_the_diagonal_is_looked_at():
    costs = torch.ones(5, 5, dtype=torch.float64).triu(1)
    spoiled = costs + torch.full((5, 5), float("nan"), dtype=torch.float64).tril(0).nan_to_num(nan=-1e9).tril(0)
    assert cheapest_path(costs, 3) == cheapest_path(spoiled, 3) == (0, 1, 2, 4)


def test_gamma_makes_later_steps_dearer():
    lam = torch.linspace(0, 1, 9, dtype=torch.float64)
    costs = (lam[None] - lam[:, None]) ** 2
    assert cheapest_path(costs, 4) == (0, 2, 4, 6, 8)
    late, early = (cheapest_path(costs, 4, gamma) for gamma in (2.0, 0.5))
    assert late[-1] - late[-2] < 2 < early[-1] - early[-2]


@pytest.mark.parametrize(
    ("costs", "steps", "gamma", "words"),
    [
        (torch.ones(1, 1), 1, 1.0, "two or more candidates"),
        (torch.ones(4, 4), 4, 1.0, "1 to 3 steps"),
        (torch.ones(4, 4), 0, 1.0, "1 to 3 steps"),
        (torch.ones(4, 4), 2, 0.0, "positive"),
        (torch.full((4, 4), float("nan")), 2, 1.0, "not finite"),
    ],
)
def test_bad_input(costs, steps, gamma, words):
    with pytest.raises(ValueError, match=words):
        cheapest_path(costs, steps, gamma)
