"""Where the tests of the CUDA backend run: on a GPU, or on the host's memory under the software driver.

torch's CUDA tensors do not exist on the software driver. There the tests give the launcher a memory of their own:
tensors of the host, of which the driver is told for the time of a launch, and of no others.
"""

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from deepdrr._cuda import Launcher, reason_against_cuda
from deepdrr.camera import Camera
from deepdrr.detector.draws import _cuda as cuda_draws
from deepdrr.raycast import Field, Rays, Request, _engines, _operator, project
from deepdrr.raycast._rays import PixelRays
from deepdrr.raycast._unchecked import unchecked
from deepdrr.raycast.cuda import _engine as cuda_backend
from deepdrr.raycast.cuda import _line_integrals as cuda_integrals
from deepdrr.raycast.cuda import _prefilter as cuda_prefilter
from deepdrr.spectrum.sums import _cuda as cuda_sums


class HostMemory:
    """torch's CPU tensors as device memory of the software driver; every launch is waited for."""

    def __init__(self, driver: ctypes.CDLL) -> None:
        self.driver, self.lock = driver, threading.Lock()

    @contextmanager
    def stream(self, own: Any, tensors: Sequence[Tensor]) -> Iterator[Any]:
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        with self.lock:  # another thread's launch may read the same tensors
            for address, size in storages.items():
                self.driver.swcuda_register(ctypes.c_uint64(address), ctypes.c_uint64(size))
            try:
                yield own
                own.synchronize()
            finally:
                for address in storages:
                    self.driver.swcuda_register(ctypes.c_uint64(address), ctypes.c_uint64(0))


@dataclass(frozen=True)
class Gpu:
    """Where the backend runs: a GPU, or the host's memory under the software driver."""

    device: torch.device
    launcher: Launcher

    def field(self, field: Field) -> Field:
        """The same field there, unchecked: a test may have spoilt what was checked when it was made."""
        values = None if field.values is None else field.values.to(self.device)
        labels = None if field.labels is None else field.labels.to(self.device)
        scale = None if field.scale is None else field.scale.to(self.device)
        matrix = field.ijk_from_world.to(self.device)
        placed = {"values": values, "ijk_from_world": matrix, "labels": labels, "scale": scale}
        return unchecked(Field, **{**field.__dict__, **placed, "arrangement": None})

    def rays(self, view: Camera | Rays | PixelRays) -> Rays:
        rays = Rays.from_camera(view) if isinstance(view, Camera) else view
        limits = (None if t is None else t.to(self.device) for t in (rays.start, rays.stop))
        return Rays(rays.source.to(self.device), rays.target.to(self.device), *limits)

    def request(self, request: Request) -> Request:
        return replace(request, field=self.field(request.field), rays=self.rays(request.rays))

    def project(self, field: Field, view: Camera | Rays, **options: Any) -> Tensor:
        """`project` by the CUDA backend, of tensors of the host."""
        return project(self.field(field), self.rays(view), backend="cuda", **options).cpu()


def software_driver() -> ctypes.CDLL | None:
    """The software driver, if that is the libcuda of this process."""
    library = ctypes.CDLL("libcuda.so.1")
    if not hasattr(library, "swcuda_recover"):
        return None
    library.swcuda_last_fault.restype = ctypes.c_char_p
    library.swcuda_calls.restype = library.swcuda_allocations.restype = ctypes.c_uint64
    return library


def reason_against_tests() -> str | None:
    """Why there is neither a GPU nor the software driver to run the kernels on; None if there is one."""
    missing = reason_against_cuda()
    if missing is None and software_driver() is None and not torch.cuda.is_available():
        return "this torch sees no GPU"
    return missing


def send_host_tensors_to_the_kernels(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the software driver, where the tensors of the host are the device's: the operator calls the CUDA kernels."""
    for calls in (cuda_integrals, cuda_prefilter, cuda_draws, cuda_sums):
        monkeypatch.setattr(calls, "launcher", lambda _device: launcher)
    for calls in (cuda_backend, cuda_prefilter, cuda_draws, cuda_sums):
        monkeypatch.setattr(calls, "reason_against_device", lambda _device: None)
    monkeypatch.setattr(_engines, "_on_cuda", lambda _device: True)
    monkeypatch.setattr(_operator, "_wants_slopes", lambda _request: False)  # as for tensors on a GPU


def marches(names: list[str]) -> list[str]:
    """The kernels among those launched that do not just find chords for others."""
    return [name for name in names if name != "find_chords"]


def recorded(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets the name of every kernel that is launched."""
    names: list[str] = []
    launch = launcher.launch

    def record(kernel: str, *arguments: Any) -> None:
        names.append(kernel)
        launch(kernel, *arguments)

    monkeypatch.setattr(launcher, "launch", record)
    return names
