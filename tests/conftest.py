"""Shared by all tests."""

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several workers one thread: they share the cores already."""
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness, so that a failure can be repeated."""
    return torch.Generator().manual_seed(20261122)
