"""Compiles PyCUDA's source package into a wheel: `build_pycuda.py SOURCE.tar.gz FOLDER`.

Needs nvcc on PATH beside its toolkit, numpy and pybind11.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

# PyCUDA's setup.py, which alone compiles one file after another, with as many at a time as there are processors.
SIDE_BY_SIDE = """
import runpy
from pybind11.setup_helpers import ParallelCompile
ParallelCompile(default=0).install()
runpy.run_path("setup.py", run_name="__main__")
"""
# No cuRAND: nothing of it is used, and it would have to be found for linking.
SETTINGS = 'CUDA_ENABLE_CURAND = False\nCXXFLAGS = ["-g0"]\n'


def loaded_driver() -> Path:
    """The libcuda.so.1 that the dynamic linker finds: that of the GPU, or the software driver."""
    ctypes.CDLL("libcuda.so.1")
    maps = Path("/proc/self/maps").read_text().splitlines()
    return Path(next(line.split()[-1] for line in maps if "/libcuda.so" in line))


def build(source: Path, out: Path) -> Path:
    """Unpack, compile and pack; the path of the wheel, which is kept.

    Raises:
        OSError: if there is no libcuda.so.1 to link against.
        RuntimeError: with the end of what the compiler says.
    """
    if wheels := sorted(out.glob("pycuda-*.whl")):
        return wheels[-1]
    link = out / "link"
    link.mkdir(parents=True, exist_ok=True)
    library = link / "libcuda.so"
    library.unlink(missing_ok=True)
    library.symlink_to(loaded_driver())
    with tarfile.open(source) as archive:
        archive.extractall(out, filter="data")
    folder = out / source.name.removesuffix(".tar.gz")
    (folder / "siteconf.py").write_text(SETTINGS + f'CUDA_ROOT = "{Path(shutil.which("nvcc") or "").parents[1]}"\n')
    done = subprocess.run(
        [sys.executable, "-c", SIDE_BY_SIDE, "-q", "bdist_wheel", "-d", str(out)],
        cwd=folder,
        env=os.environ | {"LIBRARY_PATH": str(link)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"PyCUDA could not be built: {(done.stdout + done.stderr)[-3000:]}")
    return sorted(out.glob("pycuda-*.whl"))[-1]


if __name__ == "__main__":
    print(build(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
