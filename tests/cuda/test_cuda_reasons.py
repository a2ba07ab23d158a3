"""If CUDA cannot be used, `deepdrr info --devices`, `backends` and the choice of a backend say why."""

import ctypes
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from raycast_scenes import carm, grid

from deepdrr._cuda import Launcher, TorchMemory, reason_against_device
from deepdrr._cuda._availability import reason_against_installation
from deepdrr.cli._info import device_facts
from deepdrr.raycast import Exact, Field, Rays, Request, backends, select_backend
from deepdrr.raycast._backends import engines_replaced
from deepdrr.raycast.cuda._engine import CudaEngine

GPU = torch.device("cuda", 0)
NO_DRIVER = "libcuda.so.1: cannot open shared object file: No such file or directory"


def importing(error: str) -> Callable[[str], None]:
    """Import of PyCUDA, which fails with an error, if there is one."""

    def find(_name: str) -> None:
        if error:
            raise ImportError(error)

    return find


KERNELS = (Path("_kernels_cuda.ptx"),)
MISSING = [
    ((), "", "this deepdrr was built without nvcc, so it has no CUDA kernels"),
    (KERNELS, NO_DRIVER, f"there is no NVIDIA driver ({NO_DRIVER})"),
    (KERNELS, "No module named 'pycuda'", "PyCUDA is not installed: pip install 'deepdrr[cuda]'"),
    (KERNELS, "", None),
]


@pytest.mark.parametrize(("files", "error", "reason"), MISSING, ids=["nvcc", "driver", "PyCUDA", "nothing"])
def test_what_an_installation_lacks_is_said(files: tuple[Path, ...], error: str, reason: str | None) -> None:
    assert reason_against_installation(files, importing(error)) == reason


def refuse(_device: torch.device) -> Launcher:
    raise RuntimeError("the CUDA kernels do not run on Tesla P100 (_kernels_cuda.fatbin: no kernel image)")


REASONS = [
    ({"missing": lambda: "there is no NVIDIA driver"}, "there is no NVIDIA driver"),
    ({"torch_sees": lambda: False}, "this torch has no CUDA"),
    ({"launcher_of": refuse}, "the CUDA kernels do not run on Tesla P100 (_kernels_cuda.fatbin: no kernel image)"),
    ({}, None),
]


@pytest.mark.parametrize(("lacking", "reason"), REASONS, ids=["installation", "torch", "architecture", "nothing"])
def test_why_a_gpu_cannot_be_used_is_told_wherever_one_asks(lacking: dict[str, Any], reason: str | None) -> None:
    machine = {"missing": lambda: None, "torch_sees": lambda: True, "launcher_of": lambda _device: None} | lacking
    against = partial(reason_against_device, **machine)
    assert against(GPU) == reason
    with engines_replaced(CudaEngine(against)):
        facts = dict(device_facts())
        assert facts["cuda"] == backends()["cuda"] == (reason or "ready")
    uses = "cuda" if reason is None else "reference"
    assert facts["GPU uses"] == uses + ("" if torch.cuda.is_available() else ", and this torch sees no GPU")


def test_the_host_is_not_a_gpu() -> None:
    assert reason_against_device(torch.device("cpu")) == "the field is on cpu"
    field = Field(torch.ones(1, 3, 3, 3), grid((3, 3, 3), (1, 1, 1)))
    request = Request(field, Rays.from_camera(carm(2, 2, 3)), "linear", Exact())
    assert CudaEngine().reason_against(request) == "the field is on cpu"
    assert select_backend(request).reason == "not cuda: the field is on cpu"


def test_ptx_for_a_newer_architecture_is_refused_with_the_devices_name(
    driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU older than the oldest of the build, which no image suits; the launcher lets go of all it held."""
    monkeypatch.setenv("SWCUDA_CAPABILITY", "61")
    pushed, allocated = driver.swcuda_contexts_pushed(), driver.swcuda_allocations()
    refused = r"do not run on software CUDA device 0 \((_kernels_cuda\.fatbin: .*; )?_kernels_cuda\.ptx: .*no kernel"
    with pytest.raises(RuntimeError, match=refused):
        Launcher(0, TorchMemory(GPU))
    while driver.swcuda_contexts_pushed() > pushed:  # PyCUDA leaves one where a launcher is closed
        driver.cuCtxPopCurrent_v2(None)
    assert driver.swcuda_allocations() == allocated


def test_a_build_without_images_is_refused(driver: ctypes.CDLL) -> None:
    with pytest.raises(RuntimeError, match=r"do not run on software CUDA device 0 \(there are none\)"):
        Launcher(0, TorchMemory(GPU), files=())
