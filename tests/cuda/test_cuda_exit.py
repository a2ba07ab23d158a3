"""However a program ends, the launcher lets go of all it held, in silence."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, sys, threading
import numpy as np, torch
from cuda_machine import HostMemory, software_driver
from deepdrr._cuda import Launcher

driver = software_driver()
launcher = Launcher(0, HostMemory(driver))
sizes = torch.zeros(16, dtype=torch.int32)
job = np.array((sizes.data_ptr(),), dtype=np.dtype([("out", "u8")]))

def launch(tensors=(sizes,)):
    launcher.launch("job_bytes", (1, 1, 1), 1, job, tensors)

launch()
assert int(sizes[0]) > 100
"""
ENDINGS = {
    "at its last line": ("", 0),
    "by an exit": ("raise SystemExit(3)", 3),
    "after a thread's launch": ("t = threading.Thread(target=launch); t.start(); t.join()", 0),
    "closed before": ("launcher.close()", 0),
    "its launcher dropped": ("del launcher, launch", 0),
    "after a launch that failed": (
        "try:\n    launcher.launch('no such kernel', (1, 1, 1), 1, job, [])\nexcept Exception:\n    pass",
        0,
    ),
}


def run(ending: str) -> "subprocess.CompletedProcess[str]":
    """A program of its own, which tells what it leaves behind."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = os.environ | {"SWCUDA_LEAKS": "1", "PYTHONPATH": paths}
    program = [sys.executable, "-W", "error", "-c", PROGRAM + ending]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_a_program_ends_in_silence(driver: ctypes.CDLL, ending: str) -> None:
    last_lines, code = ENDINGS[ending]
    done = run(last_lines)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_fault_does_not_abort_the_programs_end(driver: ctypes.CDLL) -> None:
    """Nothing can be released in a context that is lost; PyCUDA says so, and the program ends as it would have."""
    done = run("try:\n    launch(())  # of memory that the kernel is not given\nexcept Exception:\n    pass")
    assert done.returncode == 0
    assert "kernel job_bytes: access outside of memory" in done.stderr


def test_what_is_left_behind_is_told(driver: ctypes.CDLL) -> None:
    done = run(
        "with launcher.current():\n    driver.cuMemAlloc_v2(ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(48))"
    )
    assert done.returncode == 0
    assert "48 bytes at" in done.stderr
    assert done.stderr.count("software CUDA driver:") == 1
