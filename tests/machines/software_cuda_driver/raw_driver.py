"""The CUDA driver API by ctypes, as little of it as the tests of the software driver need."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["CudaError", "RawDriver"]


class CudaError(RuntimeError):
    """A call that did not return CUDA_SUCCESS; `code` is what it returned."""

    def __init__(self, function: str, code: int, fault: str) -> None:
        super().__init__(f"{function} returned {code}: {fault}")
        self.code = code


class RawDriver:
    """A device's primary context, current in this thread from construction to `close`."""

    def __init__(self, library: Path, device: int = 0) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.swcuda_last_fault.restype = ctypes.c_char_p
        self.library.swcuda_allocations.restype = ctypes.c_uint64
        self.library.swcuda_calls.restype = ctypes.c_uint64
        self.call("cuInit", 0)
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxPushCurrent_v2", context)

    def close(self) -> None:
        self.call("cuCtxPopCurrent_v2", None)

    def call(self, function: str, *arguments: object) -> None:
        code = getattr(self.library, function)(*arguments)
        if code:
            raise CudaError(function, code, self.library.swcuda_last_fault().decode())

    def load(self, ptx: str) -> ctypes.c_void_p:
        module = ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), ptx.encode())
        return module

    def function(self, module: ctypes.c_void_p, name: str) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
        return function

    def allocate(self, size: int) -> ctypes.c_uint64:
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address

    def free(self, address: ctypes.c_uint64) -> None:
        self.call("cuMemFree_v2", address)

    def upload(self, array: NDArray[np.generic]) -> ctypes.c_uint64:
        array = np.ascontiguousarray(array)
        address = self.allocate(array.nbytes)
        self.call("cuMemcpyHtoD_v2", address, array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.nbytes))
        return address

    def download(self, address: ctypes.c_uint64, like: NDArray[np.generic]) -> NDArray[np.generic]:
        array = np.empty_like(like)
        self.call("cuMemcpyDtoH_v2", array.ctypes.data_as(ctypes.c_void_p), address, ctypes.c_size_t(array.nbytes))
        return array

    def launch(
        self,
        function: ctypes.c_void_p,
        grid: Sequence[int],
        block: Sequence[int],
        arguments: Sequence[ctypes._SimpleCData],  # type: ignore[type-arg]
        shared: int = 0,
        stream: ctypes.c_void_p | None = None,
    ) -> None:
        shape = [*grid, *[1] * (3 - len(grid)), *block, *[1] * (3 - len(block))]
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(a) for a in arguments))
        self.call("cuLaunchKernel", function, *shape, shared, stream, pointers, None)

    def synchronize(self) -> None:
        self.call("cuCtxSynchronize")

    def stream(self, flags: int = 1) -> ctypes.c_void_p:
        """A stream; by default one that the null stream does not wait for (CU_STREAM_NON_BLOCKING)."""
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), flags)
        return stream

    def event(self) -> ctypes.c_void_p:
        event = ctypes.c_void_p()
        self.call("cuEventCreate", ctypes.byref(event), 0)
        return event
