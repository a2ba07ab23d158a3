"""Launch the compiled kernels on one device, in torch's primary context.

Autograd runs backward passes in its own threads, which have no context. So every call pushes the device's primary
context, which is torch's, and pops it again even after an error. PyCUDA owns only one stream and the module.
"""

import atexit
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._cuda._availability import images
from deepdrr._cuda._memory import Memory
from deepdrr._extras import require

__all__ = ["Launcher"]

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: ordered by events only, not with the null stream


class Launcher:
    """The kernels of one device.

    Args:
        index: the device's number.
        memory: the tensors that the kernels work on, and their streams.
        files: the compiled images, best first; None for those of this installation.

    Raises:
        RuntimeError: if none of the compiled images can run on the device.
    """

    def __init__(self, index: int, memory: Memory, files: Sequence[Path] | None = None) -> None:
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
                self._module = self._load(images() if files is None else files)
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

    def _load(self, files: Sequence[Path]) -> Any:
        refusals = []
        for path in files:
            try:
                return self._driver.module_from_buffer(path.read_bytes() + b"\0")
            except self._driver.Error as error:
                refusals.append(f"{path.name}: {error}")
        raise RuntimeError(f"the CUDA kernels do not run on {self.name} ({'; '.join(refusals) or 'there are none'})")
