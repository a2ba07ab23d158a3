"""Tests on a device without a compiled backend (`make test-device`); elsewhere they skip.

torch allows one device of one's own in a process, and sets up its threads for it at the first backward pass: so these
tests run in a process of their own.
"""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import roma
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "drr"), str(HERE.parents[1] / "raycast")]

from stand_in import NAME, build, load  # noqa: E402

from deepdrr.geometry import _precision  # noqa: E402


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    if os.environ.get("DEEPDRR_STAND_IN_DEVICE") != "1":
        pytest.skip("make test-device runs this on a device of host memory")
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("the stand-in device needs a C++ compiler")
    return load(build(HERE.parents[2] / "out" / "stand_in_device"))


@pytest.fixture(params=["as CUDA", "as MPS"])
def device(request: pytest.FixtureRequest, library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The device's name: it has double precision like CUDA, or none like MPS."""
    if request.param == "as MPS":
        monkeypatch.setattr(_precision, "WITHOUT_DOUBLE", {"mps", NAME})
        monkeypatch.setattr(roma.mappings, "_supports_float64", lambda _device: False)  # it knows of MPS by its name
        library.standin_refuse_double(True)
    yield NAME
    library.standin_refuse_double(False)


@pytest.fixture
def single(device: str) -> bool:
    """Whether the device has no double precision."""
    return _precision.finest_dtype(torch.device(device)) == torch.float32
