"""Check an installed deepdrr: `check_install.py --cuda with|without` (by default with, if nvcc is on PATH).

The script checks that every file of the wheel exists, and takes a picture with each build of the CPU kernels. Run it
outside the source tree, whose package would be imported first.
"""

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

BUILDS = ("baseline", "avx2", "avx512") if platform.machine().lower() in {"x86_64", "amd64"} else ("baseline",)
CUDA = ("_kernels_cuda.fatbin", "_kernels_cuda.ptx")
PICTURE = (
    "import torch; from deepdrr.camera import Camera; from deepdrr.raycast import Field, project; "
    "view = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=1.0); "
    "box = Field(torch.ones(1, 40, 40, 40), torch.eye(4, dtype=torch.float64)); "
    "print(float(project(box, view, backend='cpu').sum()))"
)


def faults(package: Path, cuda: bool) -> list[str]:
    """Problems with the files of a package, in words.

    Args:
        package: the installed folder `deepdrr`.
        cuda: whether it must have the CUDA kernels; if not, it must have none.
    """
    modules = [f"_kernels_{build}.*{suffix}" for build in BUILDS for suffix in _suffixes()]
    wanted = [
        *modules,
        "_share/data/cross_sections.csv",
        "_share/data/scattering_functions.csv",
        "_share/data/ct/pelvis.nii.gz",
        *(CUDA if cuda else ()),
    ]
    wrong = [f"{name} is missing" for name in wanted if not any(f.stat().st_size for f in package.glob(name))]
    wrong += [] if (package / "py.typed").exists() else ["py.typed is missing"]
    if not cuda:
        wrong += [f"{name} is there, of a build without nvcc" for name in CUDA if (package / name).exists()]
    ptx = package / CUDA[1]
    if cuda and ptx.exists() and ".version 7.0\n" not in ptx.read_text():
        wrong.append(f"{ptx.name} needs a newer driver than PTX 7.0 does")
    return wrong


def _suffixes() -> tuple[str, ...]:
    return (".pyd",) if os.name == "nt" else (".so",)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuda", choices=("with", "without"), default="with" if shutil.which("nvcc") else "without")
    cuda = parser.parse_args().cuda == "with"
    found = importlib.util.find_spec("deepdrr")
    if found is None or found.origin is None:
        print("deepdrr is not installed")
        return 1
    package = Path(found.origin).parent
    wrong = faults(package, cuda)
    print("\n".join(wrong) or f"{package}: complete, {'with' if cuda else 'without'} CUDA kernels")
    return 1 if wrong else _take_pictures()


def _take_pictures() -> int:
    """Take one picture with each build that this processor can run; they must agree."""
    usable = subprocess.run(
        [sys.executable, "-c", "from deepdrr._kernels import usable_builds; print(*usable_builds())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    pictures = {}
    for build in usable:
        environment = os.environ | {"DEEPDRR_CPU_ISA": build}
        done = subprocess.run(
            [sys.executable, "-c", PICTURE], env=environment, capture_output=True, text=True, check=True
        )
        pictures[build] = float(done.stdout)
    print(*(f"{build}: {total:.6g}" for build, total in pictures.items()), sep="\n")
    # float32 sums of 16 rays in another order
    return 0 if max(pictures.values()) - min(pictures.values()) < 1e-5 * max(pictures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
