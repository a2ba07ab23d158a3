"""Runs a setup.py that compiles the files of an extension side by side: `side_by_side.py ARGUMENTS`.

In the folder of the setup.py, and with its arguments; else they are compiled one after another, for minutes.
"""

import runpy
import sys

from pybind11.setup_helpers import ParallelCompile

if __name__ == "__main__":
    ParallelCompile(default=0).install()  # 0: as many at a time as there are processors
    sys.argv[0] = "setup.py"
    sys.path[0] = ""
    runpy.run_path("setup.py", run_name="__main__")
