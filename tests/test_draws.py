"""Noise does not depend on what it is drawn for."""

import pytest
import torch

from workbench.draws import normal


@pytest.fixture
def double_by_default():
    before = torch.get_default_dtype()
    yield lambda: torch.set_default_dtype(torch.float64)
    torch.set_default_dtype(before)


def generators():
    return torch.Generator().manual_seed(3), [torch.Generator().manual_seed(k) for k in (0, 1)]


def test_the_default_dtype_does_not_change_the_noise(double_by_default):
    plain = [normal((2, 5), who, torch.float64, "cpu") for who in generators()]
    double_by_default()
    again = [normal((2, 5), who, torch.float64, "cpu") for who in generators()]
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))


def test_single_and_double_precision_get_the_same_noise():
    for one, other in zip(generators(), generators(), strict=True):
        assert torch.equal(normal((2, 5), one, torch.float32, "cpu").double(), normal((2, 5), other, torch.float64, "cpu"))
