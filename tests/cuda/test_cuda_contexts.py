"""The launcher beside another user of the same context, such as torch, in any order of start and end."""

import ctypes
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from cuda_machine import HostMemory

from deepdrr._cuda import Launcher, Launchers

# Device 1 has no users but those of a test: the session's launcher is on device 0.
DEVICE = 1


class OtherUser:
    """Does as torch's runtime: retains the primary context, leaves it current in the thread, has memory in it."""

    def __init__(self, driver: ctypes.CDLL) -> None:
        self.driver, self.context, self.memory = driver, ctypes.c_void_p(), ctypes.c_uint64()
        assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(self.context), DEVICE) == 0
        assert driver.cuCtxSetCurrent(self.context) == 0
        assert driver.cuMemAlloc_v2(ctypes.byref(self.memory), ctypes.c_size_t(8)) == 0

    def use(self) -> None:
        """Writes to its memory and reads it again."""
        host = (ctypes.c_uint32 * 2)()
        assert self.driver.cuMemsetD32_v2(self.memory, 7, ctypes.c_size_t(2)) == 0
        assert self.driver.cuMemcpyDtoH_v2(host, self.memory, ctypes.c_size_t(8)) == 0
        assert list(host) == [7, 7]

    def leave(self) -> None:
        assert self.driver.cuMemFree_v2(self.memory) == 0
        assert self.driver.cuCtxSetCurrent(None) == 0
        assert self.driver.cuDevicePrimaryCtxRelease_v2(DEVICE) == 0


def launch(launcher: Launcher) -> None:
    """Launches a kernel and checks what it has written."""
    sizes = torch.zeros(16, dtype=torch.int32)  # one for each struct, of which there are fewer
    pointer = np.array((sizes.data_ptr(),), dtype=np.dtype([("out", "u8")]))
    launcher.launch("job_bytes", (1, 1, 1), 1, pointer, [sizes])
    assert int(sizes[0]) > 100


def current(driver: ctypes.CDLL) -> int | None:
    context = ctypes.c_void_p()
    assert driver.cuCtxGetCurrent(ctypes.byref(context)) == 0
    return context.value


def is_active(driver: ctypes.CDLL) -> bool:
    """Whether anyone holds the device's context."""
    flags, active = ctypes.c_uint(), ctypes.c_int()
    assert driver.cuDevicePrimaryCtxGetState(DEVICE, ctypes.byref(flags), ctypes.byref(active)) == 0
    return bool(active.value)


@pytest.fixture
def second_device(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> ctypes.CDLL:
    monkeypatch.setenv("SWCUDA_DEVICES", "2")
    return driver


@pytest.mark.parametrize(
    "events",
    [
        "other use launcher launch use launch close use leave",
        "launcher launch other use launch use close use leave",
        "launcher other use launch use close use leave",
        "other launcher launch use leave launch close",
        "launcher launch other use leave launch close",
        "launcher launch close other use launcher launch use close use leave",
    ],
)
def test_any_order_of_coming_and_leaving(second_device: ctypes.CDLL, events: str) -> None:
    driver, other, made = second_device, None, None
    for event in events.split():
        before = current(driver)
        if event == "other":
            other = OtherUser(driver)
        elif event == "launcher":
            made = Launcher(DEVICE, HostMemory(driver))
            assert current(driver) == before
        elif event == "launch":
            assert made is not None
            launch(made)
            assert current(driver) == before
        elif event == "close":
            assert made is not None
            made.close()
        elif event == "use":
            assert other is not None
            other.use()
        elif event == "leave":
            assert other is not None
            other.leave()
    assert not is_active(driver)


def in_a_thread(work: Callable[[], None]) -> None:
    """Runs work in a thread of its own, and raises here what it raises there."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


@pytest.mark.parametrize("mine", ["none", "the same", "another device's"])
def test_a_threads_own_context_is_left_as_it_was(second_device: ctypes.CDLL, mine: str) -> None:
    """As in autograd's threads, in which torch may have made a context current, or that of another GPU, or none."""
    driver, made = second_device, Launcher(DEVICE, HostMemory(second_device))

    def work() -> None:
        device = {"none": None, "the same": DEVICE, "another device's": 0}[mine]
        context = ctypes.c_void_p()
        if device is not None:
            assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
            assert driver.cuCtxSetCurrent(context) == 0
        for _ in range(3):
            launch(made)
            assert current(driver) == context.value
            assert driver.swcuda_contexts_pushed() == (device is not None)
        if device is not None:
            assert driver.cuCtxSetCurrent(None) == 0
            assert driver.cuDevicePrimaryCtxRelease_v2(device) == 0

    in_a_thread(work)
    made.close()
    assert not is_active(driver)


def test_a_failing_launch_leaves_the_other_users_context_current(second_device: ctypes.CDLL) -> None:
    import pycuda.driver as pycuda

    driver, made = second_device, Launcher(DEVICE, HostMemory(second_device))
    other = OtherUser(driver)
    driver.swcuda_inject(b"cuLaunchKernel", 1, 701)  # too many resources: the context survives it
    with pytest.raises(pycuda.Error):
        launch(made)
    assert current(driver) == other.context.value
    other.use()
    launch(made)
    made.close()
    other.leave()


def test_a_launcher_is_made_once_by_whichever_thread_comes_first() -> None:
    made: list[int] = []
    launchers = Launchers(lambda index: made.append(index) or object(), current=lambda: 3)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda d=device: found.append(launchers.of(torch.device(d))))
        for device in ("cuda:3", "cuda") * 8
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [3]
    assert len(set(map(id, found))) == 1
