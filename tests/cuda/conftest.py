"""The CUDA backend on an NVIDIA GPU (`make test-gpu`) or on the software driver (`make test-cuda`); else tests skip.

torch's CUDA tensors do not exist on the software driver. There the tests give the launcher a memory of their own:
tensors of the host, of which the driver is told for the time of a launch, and of no others.
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cuda_machine import Gpu, HostMemory, software_driver

from deepdrr._cuda import Launcher, reason_against_cuda
from deepdrr._cuda import launcher as launcher_of
from deepdrr.raycast import _cuda, _cuda_backend, _engines, _operator

sys.path.insert(0, str(Path(__file__).parents[1] / "raycast"))


@pytest.fixture(scope="session")
def cuda_session() -> Iterator[Gpu]:
    missing = reason_against_cuda()
    if missing is not None:
        pytest.skip(f"make test-cuda runs this on the software CUDA driver; here {missing}")
    software = software_driver()
    if software is None:
        device = torch.device("cuda", torch.cuda.current_device())
        yield Gpu(device, launcher_of(device))
        return
    launcher = Launcher(0, HostMemory(software))
    yield Gpu(torch.device("cpu"), launcher)
    launcher.close()


@pytest.fixture
def gpu(cuda_session: Gpu, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpu]:
    """On the software driver, sends the operator's calls on CPU tensors to the CUDA kernels."""
    software = software_driver()
    if software is None:
        yield cuda_session
        return
    monkeypatch.setattr(_cuda, "launcher", lambda _device: cuda_session.launcher)
    monkeypatch.setattr(_engines, "_on_cuda", lambda _device: True)
    monkeypatch.setattr(_operator, "_wants_slopes", lambda _request: False)  # as for tensors on a GPU
    monkeypatch.setattr(_cuda_backend, "reason_against_device", lambda _device: None)
    before = software.swcuda_contexts_pushed()
    yield cuda_session
    software.swcuda_recover()
    assert software.swcuda_contexts_pushed() == before


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
def launched(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels that a test launches."""
    names: list[str] = []
    launch = gpu.launcher.launch

    def record(kernel: str, *arguments: Any) -> None:
        names.append(kernel)
        launch(kernel, *arguments)

    monkeypatch.setattr(gpu.launcher, "launch", record)
    return names


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
