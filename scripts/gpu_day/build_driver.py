"""For a trial without a GPU: compiles the tests' software CUDA driver, `build_driver.py FOLDER [EXTENSION.so]`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/machines/software_cuda_driver"))

from build_software_driver import build_driver

if __name__ == "__main__":
    print(build_driver(*map(Path, sys.argv[1:])))
