"""Torch's threads sleep between its calls instead of spinning (docs/decisions/0017-torchs-threads-sleep.md).

`OMP_WAIT_POLICY`, if it is set, is left as it is: with `active` the threads spin.
"""

import os
import sys
import threading
from pathlib import Path

__all__ = ["let_threads_sleep"]

_VARIABLE = "OMP_WAIT_POLICY"


def let_threads_sleep() -> None:
    """Have torch's threads sleep when they wait, in this process; best before torch is imported."""
    if _VARIABLE in os.environ:
        return
    if "torch" not in sys.modules:
        os.environ[_VARIABLE] = "PASSIVE"  # OpenMP reads it once, when torch loads it
    elif _gnu_openmp():
        threading.Thread(target=_hold_a_team, name="deepdrr-openmp", daemon=True).start()


def _gnu_openmp() -> bool:
    """Whether torch computes with GNU's OpenMP, whose threads spin less if there are more of them than processors."""
    maps = Path("/proc/self/maps")
    return maps.exists() and "libgomp" in maps.read_text(encoding="utf-8", errors="replace")


def _hold_a_team() -> None:
    """Have one more team of threads in this process than the processors can run; it sleeps."""
    import torch

    torch.ones(1 << 17).add_(1)  # large enough for torch to take several threads
    threading.Event().wait()
