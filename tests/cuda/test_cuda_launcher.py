"""The launcher: contexts, streams, threads, failures."""

import ctypes
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cuda_machine import Gpu
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.autograd import Function
from torch.testing import assert_close

from deepdrr._cuda import Launcher, TorchMemory
from deepdrr.raycast import Field, project


def scene() -> tuple[Field, object]:
    values = noise((1, 10, 11, 12), torch.Generator().manual_seed(0))
    return Field(values, grid((10, 11, 12), (1, 1, 1), 20.0)), carm(16, 17, 20)


def test_any_thread_can_launch_and_none_is_left_with_a_context(gpu: Gpu, driver: ctypes.CDLL) -> None:
    field, view = scene()
    expected, found = gpu.project(field, view), {}

    def work(name: int) -> None:
        found[name] = gpu.project(field, view)
        found[-name] = driver.swcuda_contexts_pushed()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(1, 4):
        assert torch.equal(found[i], expected)
        assert found[-i] == 0


class Deeper(Function):
    """The same number. Its backward pass starts another one inside it, `depth` times, and then runs `last`."""

    @staticmethod
    def forward(ctx: Any, number: Tensor, depth: int, last: Callable[[], object]) -> Tensor:
        ctx.depth, ctx.last = depth, last
        return number.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        if ctx.depth == 0:
            ctx.last()
        else:
            with torch.enable_grad():
                inner = torch.ones((), requires_grad=True)
                Deeper.apply(inner, ctx.depth - 1, ctx.last).backward()
        return upstream, None, None


def test_a_backward_pass_runs_in_autograds_own_thread(gpu: Gpu, driver: ctypes.CDLL) -> None:
    """Autograd takes passes inside passes to a thread of its own when they are some sixty deep."""
    field, view = scene()
    found: list[tuple[int, Tensor, int]] = []

    def gradient() -> None:
        values = field.values.to(gpu.device, copy=True).requires_grad_()
        with torch.enable_grad():
            inner = Field(values, field.ijk_from_world.to(gpu.device))
            project(inner, gpu.rays(view), backend="cuda").sum().backward()
        found.append((threading.get_ident(), values.grad.clone(), driver.swcuda_contexts_pushed()))

    gradient()
    Deeper.apply(torch.ones((), requires_grad=True), 100, gradient).backward()
    (here, expected, _), (there, same, pushed) = found
    assert there != here
    assert pushed == 0
    # Sums in any order, of float32.
    assert_close(same, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert float(expected.abs().sum()) > 0


@pytest.mark.parametrize(("function", "code"), [("cuLaunchKernel", 719), ("cuStreamSynchronize", 700)])
def test_a_failing_call_raises_and_leaves_no_context_behind(
    gpu: Gpu, driver: ctypes.CDLL, function: str, code: int
) -> None:
    import pycuda.driver as pycuda

    field, view = scene()
    gpu.project(field, view)
    driver.swcuda_inject(function.encode(), 1, code)
    with pytest.raises(pycuda.Error):
        gpu.project(field, view)
    assert driver.swcuda_contexts_pushed() == 0
    driver.swcuda_recover()
    gpu.project(field, view)


def test_memory_the_kernel_was_not_given_is_not_touched(gpu: Gpu, driver: ctypes.CDLL) -> None:
    import pycuda.driver as pycuda

    stray = torch.zeros(6, dtype=torch.int32)
    pointer = np.array((stray.data_ptr(),), dtype=np.dtype([("out", "u8")]))
    with pytest.raises(pycuda.Error):
        gpu.launcher.launch("job_bytes", (1, 1, 1), 1, pointer, [])  # its tensor is not named
    assert b"kernel job_bytes: access outside of memory" in driver.swcuda_last_fault()


def test_launchers_come_and_go_without_a_leak(driver: ctypes.CDLL) -> None:
    before = driver.swcuda_allocations()
    for _ in range(3):
        made = Launcher(0, TorchMemory(torch.device("cuda", 0)))
        made.close()
        made.close()
    assert driver.swcuda_allocations() == before


def test_two_devices_have_a_launcher_each(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWCUDA_DEVICES", "2")
    first, second = (Launcher(i, TorchMemory(torch.device("cuda", i))) for i in range(2))
    assert (first.name, second.name) == ("software CUDA device 0", "software CUDA device 1")
    first.close()
    second.close()


class DriverStream:
    """A stream of the driver's under torch's name for one, so that `TorchMemory` can be tested without torch's CUDA."""

    def __init__(self, driver: ctypes.CDLL, handle: int) -> None:
        self.driver, self.cuda_stream = driver, handle

    def wait_stream(self, other: "DriverStream") -> None:
        event = ctypes.c_void_p()
        self.driver.cuEventCreate(ctypes.byref(event), 0)
        self.driver.cuEventRecord(event, ctypes.c_void_p(other.cuda_stream))
        self.driver.cuStreamWaitEvent(ctypes.c_void_p(self.cuda_stream), event, 0)


class DriverStreams:
    """What `TorchMemory` asks of `torch.cuda`: a current stream, and names for the driver's."""

    def __init__(self, driver: ctypes.CDLL) -> None:
        handle = ctypes.c_void_p()
        driver.cuStreamCreate(ctypes.byref(handle), 1)
        self.driver, self.current = driver, DriverStream(driver, handle.value or 0)

    def current_stream(self, _device: torch.device) -> DriverStream:
        return self.current

    def get_stream_from_external(self, handle: int, _device: torch.device) -> DriverStream:
        return DriverStream(self.driver, handle)


class Kept:
    """A tensor of torch's CUDA, which is told what streams use it."""

    def __init__(self) -> None:
        self.streams: list[int] = []

    def record_stream(self, stream: DriverStream) -> None:
        self.streams.append(stream.cuda_stream)


def test_a_launch_comes_after_torchs_work_and_before_what_follows(gpu: Gpu, driver: ctypes.CDLL) -> None:
    with gpu.launcher.current():
        streams = DriverStreams(driver)
        stream = ctypes.c_void_p(streams.current.cuda_stream)
        launcher = Launcher(0, TorchMemory(torch.device("cuda", 0), streams))
        sizes, copy = torch.zeros(8, dtype=torch.int32), torch.zeros(8, dtype=torch.int32)
        for tensor in (sizes, copy):
            driver.swcuda_register(ctypes.c_uint64(tensor.data_ptr()), ctypes.c_uint64(24))
        address, kept = ctypes.c_uint64(sizes.data_ptr()), Kept()
        driver.cuMemsetD32Async(address, 7, ctypes.c_size_t(6), stream)  # torch's work before: must not come after
        pointer = np.array((sizes.data_ptr(),), dtype=np.dtype([("out", "u8")]))
        launcher.launch("job_bytes", (1, 1, 1), 1, pointer, [kept])
        driver.cuMemcpyDtoDAsync_v2(ctypes.c_uint64(copy.data_ptr()), address, ctypes.c_size_t(24), stream)  # after
        driver.cuStreamSynchronize(stream)
        assert copy.tolist() == sizes.tolist() != [7] * 6
        assert kept.streams == [launcher._stream.handle]  # torch is told who else uses the memory
        for tensor in (sizes, copy):
            driver.swcuda_register(ctypes.c_uint64(tensor.data_ptr()), ctypes.c_uint64(0))
        launcher.close()


def test_on_torchs_null_stream_the_kernel_is_launched_there() -> None:
    """Which needs no order, and no stream of the launcher's own."""
    streams = SimpleNamespace(current_stream=lambda _device: SimpleNamespace(cuda_stream=0))
    with TorchMemory(torch.device("cuda", 0), streams).stream(None, [torch.zeros(1)]) as stream:
        assert stream is None
