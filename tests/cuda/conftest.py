"""The CUDA backend on the software driver: `make test-cuda` puts it and PyCUDA in place; elsewhere these tests skip.

torch's CUDA tensors do not exist there. The tests give the launcher a memory of their own: tensors of the host, of
which the software driver is told for the time of a launch, and of no others.
"""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from deepdrr._cuda import Launcher, reason_against_cuda
from deepdrr.raycast import _cuda, _cuda_backend, _engines

sys.path.insert(0, str(Path(__file__).parents[1] / "raycast"))


class HostMemory:
    """torch's CPU tensors as device memory of the software driver; every launch is waited for."""

    def __init__(self, driver: ctypes.CDLL) -> None:
        self.driver = driver

    @contextmanager
    def stream(self, own: Any, tensors: Sequence[Tensor]) -> Iterator[Any]:
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        for address, size in storages.items():
            self.driver.swcuda_register(ctypes.c_uint64(address), ctypes.c_uint64(size))
        try:
            yield own
            own.synchronize()
        finally:
            for address in storages:
                self.driver.swcuda_register(ctypes.c_uint64(address), ctypes.c_uint64(0))


@pytest.fixture(scope="session")
def driver() -> ctypes.CDLL:
    """The software driver that PyCUDA loaded."""
    missing = reason_against_cuda()
    if missing is not None:
        pytest.skip(f"make test-cuda runs this on the software CUDA driver; here {missing}")
    library = ctypes.CDLL("libcuda.so.1")
    if not hasattr(library, "swcuda_recover"):
        pytest.skip("this is NVIDIA's driver: make test-gpu runs the backend on it")
    library.swcuda_last_fault.restype = ctypes.c_char_p
    library.swcuda_calls.restype = library.swcuda_allocations.restype = ctypes.c_uint64
    return library


@pytest.fixture
def contexts(driver: ctypes.CDLL) -> Iterator[None]:
    """Pops what PyCUDA leaves current where a test closes launchers, see `Launcher.close`."""
    yield
    while driver.swcuda_contexts_pushed():
        driver.cuCtxPopCurrent_v2(None)


@pytest.fixture(scope="session")
def launcher(driver: ctypes.CDLL) -> Iterator[Launcher]:
    made = Launcher(0, HostMemory(driver))
    yield made
    made.close()


@pytest.fixture
def cuda(launcher: Launcher, driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launcher]:
    """Sends the operator's calls on CPU tensors to the CUDA kernels."""
    monkeypatch.setattr(_cuda, "launcher", lambda _device: launcher)
    monkeypatch.setattr(_engines, "_on_cuda", lambda _device: True)
    monkeypatch.setattr(_cuda_backend, "reason_against_device", lambda _device: None)
    before = driver.swcuda_contexts_pushed()
    yield launcher
    driver.swcuda_recover()
    assert driver.swcuda_contexts_pushed() == before


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
