"""Shared fixtures; being here also lets every test module import ``helpers``."""

import pytest
import torch


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh generator, the same for every test."""
    return torch.Generator().manual_seed(20)
