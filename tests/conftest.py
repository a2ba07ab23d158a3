"""Shared by all tests."""

import pytest
import torch


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness, so that a failure can be repeated."""
    return torch.Generator().manual_seed(20261122)
