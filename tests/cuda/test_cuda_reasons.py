"""If CUDA cannot be used, `deepdrr info --devices`, `backends` and the choice of a backend say why."""

import ctypes
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from raycast_scenes import carm, grid

from deepdrr._cuda import Launcher, TorchMemory, _availability, _launcher, reason_against_cuda, reason_against_device
from deepdrr.cli._info import device_facts
from deepdrr.raycast import Exact, Field, Rays, Request, backends, select_backend
from deepdrr.raycast.cuda._engine import CudaEngine

GPU = torch.device("cuda", 0)
NO_DRIVER = "libcuda.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    reason_against_cuda.cache_clear()
    yield
    reason_against_cuda.cache_clear()


def installed(monkeypatch: pytest.MonkeyPatch, *, nvcc: bool = True, error: str = "", torch_cuda: bool = True) -> None:
    """An installation: built with nvcc or not, PyCUDA's import failing with an error or not, torch with CUDA or not."""

    def import_module(_name: str) -> None:
        if error:
            raise ImportError(error)

    monkeypatch.setattr(_availability, "images", lambda: ("kernels",) if nvcc else ())
    monkeypatch.setattr(_availability, "importlib", SimpleNamespace(import_module=import_module))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: torch_cuda)


CASES = [
    ({"nvcc": False}, "this deepdrr was built without nvcc, so it has no CUDA kernels"),
    ({"error": NO_DRIVER}, f"there is no NVIDIA driver ({NO_DRIVER})"),
    ({"error": "No module named 'pycuda'"}, "PyCUDA is not installed: pip install 'deepdrr[cuda]'"),
    ({"torch_cuda": False}, "this torch has no CUDA"),
]


@pytest.mark.parametrize(("missing", "reason"), CASES, ids=["nvcc", "driver", "PyCUDA", "torch"])
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, missing: dict[str, object], reason: str) -> None:
    installed(monkeypatch, **missing)  # type: ignore[arg-type]
    facts = dict(device_facts())
    assert facts["cuda"] == backends()["cuda"] == reason
    assert facts["GPU uses"] == ("reference" if torch.cuda.is_available() else "reference, and this torch sees no GPU")
    assert reason_against_device(GPU) == reason


def test_an_architecture_that_no_image_suits_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_device: torch.device) -> None:
        raise RuntimeError("the CUDA kernels do not run on Tesla P100 (_kernels_cuda.fatbin: no kernel image)")

    installed(monkeypatch)
    monkeypatch.setattr(_launcher, "launcher", refuse)
    assert dict(device_facts())["cuda"].startswith("the CUDA kernels do not run on Tesla P100")
    assert dict(device_facts())["GPU uses"] == "reference"


def test_a_gpu_that_can_be_used_is(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    monkeypatch.setattr(_launcher, "launcher", lambda _device: None)
    assert dict(device_facts())["cuda"] == "ready"
    assert dict(device_facts())["GPU uses"] == "cuda"


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


def test_a_build_without_images_is_refused(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_launcher, "images", lambda: ())
    with pytest.raises(RuntimeError, match=r"do not run on software CUDA device 0 \(there are none\)"):
        Launcher(0, TorchMemory(GPU))
