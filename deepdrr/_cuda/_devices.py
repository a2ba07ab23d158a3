"""Which launcher serves a device, and why one cannot be served."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from deepdrr._cuda._availability import reason_against_cuda
from deepdrr._cuda._launcher import Launcher
from deepdrr._cuda._memory import TorchMemory

__all__ = ["Launchers", "launcher", "reason_against_device", "serving"]

# Launchers installed by `serving`, by device.
_GIVEN: dict[torch.device, Launcher] = {}


class Launchers:
    """The launcher of each CUDA device, made when it is first asked for, once for all threads.

    Args:
        make: makes that of a device's number.
        current: the number of torch's current device, which `"cuda"` stands for.
    """

    def __init__(self, make: Callable[[int], Launcher], current: Callable[[], int]) -> None:
        self._make, self._current = make, current
        self._lock = threading.Lock()
        self._made: dict[int, Launcher] = {}

    def of(self, device: torch.device) -> Launcher:
        """The launcher of a device."""
        with self._lock:
            index = self._current() if device.index is None else device.index
            if index not in self._made:
                self._made[index] = self._make(index)
            return self._made[index]


def _on_torch(index: int) -> Launcher:
    torch.cuda.init()  # torch makes the primary context, so that both sides share it
    return Launcher(index, TorchMemory(torch.device("cuda", index)))


_LAUNCHERS = Launchers(_on_torch, torch.cuda.current_device)


def launcher(device: torch.device) -> Launcher:
    """The launcher of a device: the one that is `serving` it, or that of torch's CUDA device."""
    given = _GIVEN.get(device)
    return _LAUNCHERS.of(device) if given is None else given


@contextmanager
def serving(device: torch.device, given: Launcher) -> Iterator[None]:
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


def reason_against_device(
    device: torch.device,
    *,
    missing: Callable[[], str | None] = reason_against_cuda,
    torch_sees: Callable[[], bool] = torch.cuda.is_available,
    launcher_of: Callable[[torch.device], Launcher] = launcher,
) -> str | None:
    """Why a tensor's device cannot be served, for example because of its architecture; None if it can.

    Args:
        device: the device.
        missing: what this installation lacks.
        torch_sees: whether torch has CUDA and sees a GPU.
        launcher_of: makes the device's launcher, with the reason as an error.
    """
    if device in _GIVEN:
        return None
    if device.type != "cuda":
        return f"the field is on {device}"
    if (lacking := missing()) is not None:
        return lacking
    if not torch_sees():
        return "this torch has no CUDA"
    try:
        launcher_of(device)
    except RuntimeError as error:
        return str(error)
    return None
