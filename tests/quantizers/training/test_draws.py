"""Generators by number: each use another one, the same after a restart, and none where nothing is trained."""

import copy

import pytest
import torch

from workbench.quantizers.training import Draws


def numbers(draws, count=3):
    return [float(torch.rand((), generator=draws.next())) for _ in range(count)]


def test_every_use_has_its_own_and_a_restart_goes_on(rng):
    draws = Draws(rng)
    other = copy.deepcopy(draws)
    first = numbers(draws)
    assert len(set(first)) == 3 and int(draws.used) == 3
    assert numbers(other) == first
    kept = copy.deepcopy(draws.state_dict())
    after = numbers(draws)
    other.load_state_dict(kept)
    assert numbers(other) == after and not set(after) & set(first)
    assert numbers(Draws(rng)) != first


def test_nothing_is_counted_without_gradients(rng):
    draws = Draws(rng)
    with torch.no_grad():
        assert len(set(numbers(draws))) == 1
    assert int(draws.used) == 0


def test_no_generator():
    with pytest.raises(TypeError, match="generator"):
        Draws(None)
