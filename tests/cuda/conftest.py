"""The CUDA backend on an NVIDIA GPU (`make test-gpu`) or on the software driver (`make test-cuda`); else tests skip."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cuda_machine import Gpu, software_driver

sys.path.insert(0, str(Path(__file__).parents[1] / "raycast"))


@pytest.fixture
def driver(cuda_session: Gpu) -> Iterator[ctypes.CDLL]:
    """The software driver with its switches, for what no GPU can be asked to do."""
    software = software_driver()
    if software is None:
        pytest.skip("this needs the software driver: make test-cuda")
    before = software.swcuda_contexts_pushed()
    yield software
    while software.swcuda_contexts_pushed() > before:  # PyCUDA leaves some where launchers are closed
        software.cuCtxPopCurrent_v2(None)


@pytest.fixture
def launched(gpu: Gpu) -> list[str]:
    """The names of the kernels that a test launches."""
    return gpu.launcher.names


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
