"""Launch the compiled kernels on one device, in torch's primary context.

Autograd runs backward passes in its own threads, which have no context. So every call pushes the device's primary
context, which is torch's, and pops it again even after an error. PyCUDA owns only one stream and the module.
"""

import atexit
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._cuda._availability import images, reason_against_cuda
from deepdrr._cuda._memory import Memory, TorchMemory
from deepdrr._extras import require

__all__ = ["Launcher", "launcher", "reason_against_device", "serving"]

_MAKING = threading.Lock()
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: ordered by events only, not with the null stream
# Launchers installed by `serving`, by device.
_GIVEN: dict[torch.device, "Launcher"] = {}


def launcher(device: torch.device) -> "Launcher":
    """The launcher of a device: the one that is `serving` it, or that of torch's CUDA device, made once."""
    given = _GIVEN.get(device)
    if given is not None:
        return given
    torch.cuda.init()  # torch makes the primary context, so that both sides share it
    with _MAKING:
        return _launcher_of(torch.cuda.current_device() if device.index is None else device.index)


@contextmanager
def serving(device: torch.device, given: "Launcher") -> Iterator[None]:
    """Within the block, a launcher's kernels serve a device's tensors, in every thread.

    This allows a driver unknown to torch: the tests' software driver, which works on host memory.
    """
    before = _GIVEN.get(device)
    _GIVEN[device] = given
    try:
        yield
    finally:
        if before is None:
            del _GIVEN[device]
        else:
            _GIVEN[device] = before


@cache
def _launcher_of(index: int) -> "Launcher":
    return Launcher(index, TorchMemory(torch.device("cuda", index)))


def reason_against_device(device: torch.device) -> str | None:
    """Why a tensor's device cannot be served, for example because of its architecture; None if it can."""
    if device in _GIVEN:
        return None
    if device.type != "cuda":
        return f"the field is on {device}"
    if not torch.cuda.is_available():
        return "this torch has no CUDA"
    missing = reason_against_cuda()
    if missing is not None:
        return missing
    try:
        launcher(device)
    except RuntimeError as error:
        return str(error)
    return None


class Launcher:
    """The kernels of one device.

    Args:
        index: the device's number.
        memory: the tensors that the kernels work on, and their streams.

    Raises:
        RuntimeError: if none of the compiled images can run on the device.
    """

    def __init__(self, index: int, memory: Memory) -> None:
        driver = require("pycuda.driver", "cuda", "running on an NVIDIA GPU")
        driver.init()
        self._driver = driver
        self._memory = memory
        self._context = driver.Device(index).retain_primary_context()
        self.name = driver.Device(index).name()
        self._functions: dict[str, Any] = {}
        self._module: Any = None
        self._stream: Any = None
        atexit.register(self.close)
        try:
            with self.current():
                self._module = self._load()
                self._stream = driver.Stream(_NON_BLOCKING)
        except Exception:
            self.close()
            raise

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device's context current in this thread within the block."""
        self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def launch(
        self, kernel: str, grid: tuple[int, int, int], threads: int, job: NDArray[np.void], tensors: Sequence[Tensor]
    ) -> None:
        """Queue a kernel.

        Args:
            kernel: name of the kernel.
            grid: blocks along x, y and z; if one is 0, nothing is launched.
            threads: per block.
            job: the struct that the kernel takes, an array without axes.
            tensors: every tensor whose memory `job` points to.
        """
        if 0 in grid:
            return
        with self.current(), self._memory.stream(self._stream, tensors) as stream:
            self._function(kernel)(job[()], grid=grid, block=(threads, 1, 1), stream=stream)

    def close(self) -> None:
        """Release everything PyCUDA holds; called at exit.

        PyCUDA leaves a primary context current in the thread that detaches it. This is harmless: torch's calls set
        their own context, and at exit no other user is left.
        """
        atexit.unregister(self.close)
        if self._context is None:
            return
        self._context.push()
        self._functions.clear()
        self._module = self._stream = None
        self._context.detach()
        self._context = None

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        return self._functions[name]

    def _load(self) -> Any:
        refusals = []
        for path in images():
            try:
                return self._driver.module_from_buffer(path.read_bytes() + b"\0")
            except self._driver.Error as error:
                refusals.append(f"{path.name}: {error}")
        raise RuntimeError(f"the CUDA kernels do not run on {self.name} ({'; '.join(refusals) or 'there are none'})")
