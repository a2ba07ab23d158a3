"""For a trial without a GPU: a benchmark whose tensors are the host's, with the CUDA kernels behind `project`.

on_software_driver.py SCRIPT --device cpu [ARGUMENTS]
"""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/machines"), str(ROOT / "benchmarks")]

from cuda_machine import Gpu  # noqa: E402
from on_device import answering_with_cuda  # noqa: E402

from deepdrr._cuda import serving  # noqa: E402


def main() -> int:
    """Run the script; its own exit status, or 1 if it has launched no kernel."""
    here = Gpu.here()
    sys.argv = sys.argv[1:]
    try:
        with serving(here.device, here.launcher), answering_with_cuda(here) as asked:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    finally:
        here.launcher.close()
    print(f"{len(asked.launched)} launches on the software driver")
    return 0 if asked.launched else 1


if __name__ == "__main__":
    sys.exit(main())
