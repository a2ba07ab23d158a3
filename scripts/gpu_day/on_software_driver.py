"""For a trial without a GPU: a benchmark whose tensors are the host's, with the CUDA kernels behind `project`.

on_software_driver.py SCRIPT --device cpu [ARGUMENTS]
"""

import runpy
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/machines"), str(ROOT / "benchmarks")]

from cuda_machine import Gpu, HostMemory, send_host_tensors_to_the_kernels, software_driver  # noqa: E402
from on_device import answer_with_cuda  # noqa: E402

from deepdrr._cuda import Launcher  # noqa: E402


def main() -> int:
    """Run the script; its own exit status, or 1 if it has launched no kernel."""
    driver = software_driver()
    assert driver is not None, "libcuda.so.1 must be the software driver: LD_LIBRARY_PATH"
    launcher, patch = Launcher(0, HostMemory(driver)), pytest.MonkeyPatch()
    send_host_tensors_to_the_kernels(launcher, patch)
    asked = answer_with_cuda(Gpu(torch.device("cpu"), launcher), patch)
    sys.argv = sys.argv[1:]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    finally:
        launcher.close()
    print(f"{len(asked.launched)} launches on the software driver")
    return 0 if asked.launched else 1


if __name__ == "__main__":
    sys.exit(main())
