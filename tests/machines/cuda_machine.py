"""Where the tests of the CUDA backend run: on a GPU, or on the host's memory under the software driver.

torch's CUDA tensors do not exist on the software driver. There the tests give the launcher a memory of their own:
tensors of the host, of which the driver is told for the time of a launch, and of no others. While that launcher is
`serving` the host's device, the CUDA engine takes the host's tensors as it takes a GPU's.
"""

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._cuda import Launcher, Memory, TorchMemory, reason_against_cuda
from deepdrr.camera import Camera
from deepdrr.raycast import Field, Rays, Request, project
from deepdrr.raycast._field import Voxels
from deepdrr.raycast._rays import RayEnds


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


class RecordingLauncher(Launcher):
    """A launcher that keeps the name and the blocks of every kernel that it launches."""

    def __init__(self, index: int, memory: Memory) -> None:
        super().__init__(index, memory)
        self.names: list[str] = []
        self.grids: list[tuple[int, int, int]] = []

    def launch(
        self, kernel: str, grid: tuple[int, int, int], threads: int, job: NDArray[np.void], tensors: Sequence[Tensor]
    ) -> None:
        self.names.append(kernel)
        self.grids.append(grid)
        super().launch(kernel, grid, threads, job, tensors)

    def forget(self) -> None:
        """Begins new lists: whoever holds the old ones keeps them."""
        self.names, self.grids = [], []


@dataclass(frozen=True)
class Gpu:
    """Where the backend runs: a GPU, or the host's memory under the software driver."""

    device: torch.device
    launcher: RecordingLauncher

    @classmethod
    def here(cls) -> "Gpu":
        """The software driver, if that is the libcuda of this process, or else torch's current GPU."""
        software = software_driver()
        if software is not None:
            return cls(torch.device("cpu"), RecordingLauncher(0, HostMemory(software)))
        device = torch.device("cuda", torch.cuda.current_device())
        torch.cuda.init()  # torch makes the primary context, so that both sides share it
        return cls(device, RecordingLauncher(device.index, TorchMemory(device)))

    def field(self, field: Field) -> Field:
        """The same field there."""
        names = ("values", "ijk_from_world", "labels", "scale")
        return replace(field, **{name: self.moved(getattr(field, name)) for name in names}, arrangement=None)

    def rays(self, view: Camera | Rays) -> Rays:
        """The rays of a view there."""
        rays = Rays.from_camera(view) if isinstance(view, Camera) else view
        return Rays(*(self.moved(t) for t in (rays.source, rays.target, rays.start, rays.stop)))

    def request(self, request: Request) -> Request:
        """The same request there, of parts that were checked."""
        field, rays = request.field, request.rays
        voxels = (self.moved(t) for t in (field.values, field.ijk_from_world, field.labels, field.scale))
        values, matrix, labels, scale = voxels
        ends = RayEnds(*(self.moved(t) for t in (rays.source, rays.target, rays.start, rays.stop)))
        there = Voxels(values, matrix, labels, field.label_count, field.prefiltered, scale)
        return replace(request, field=there, rays=ends)

    def moved(self, tensor: Tensor | None) -> Any:
        """A tensor of the host there."""
        return None if tensor is None else tensor.to(self.device)

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


def marches(names: list[str]) -> list[str]:
    """The kernels among those launched that do not just find chords for others."""
    return [name for name in names if name != "find_chords"]
