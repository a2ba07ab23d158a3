"""NVIDIA GPUs through PyCUDA: the launcher, the memory it works on, and the reasons why a GPU cannot be used."""

from deepdrr._cuda._availability import reason_against_cuda
from deepdrr._cuda._devices import Launchers, launcher, reason_against_device, serving
from deepdrr._cuda._launcher import Launcher
from deepdrr._cuda._memory import Memory, TorchMemory

__all__ = [
    "Launcher",
    "Launchers",
    "Memory",
    "TorchMemory",
    "launcher",
    "reason_against_cuda",
    "reason_against_device",
    "serving",
]
