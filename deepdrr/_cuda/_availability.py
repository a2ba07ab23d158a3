"""Why CUDA cannot be used here, as a sentence instead of an exception from an import deep inside."""

import importlib
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

__all__ = ["images", "reason_against_cuda", "reason_against_installation"]

_PACKAGE = Path(__file__).resolve().parents[1]
# Best first: machine code for the architectures of the build, then PTX, which the driver compiles for all others.
_IMAGES = ("_kernels_cuda.fatbin", "_kernels_cuda.ptx")


def images() -> tuple[Path, ...]:
    """The files of the compiled kernels in the order to try them; empty if the package was built without nvcc."""
    return tuple(path for path in (_PACKAGE / name for name in _IMAGES) if path.exists())


@cache
def reason_against_cuda() -> str | None:
    """Why this installation cannot use a GPU; None if it could."""
    return reason_against_installation(images(), importlib.import_module)


def reason_against_installation(files: Sequence[Path], find: Callable[[str], object]) -> str | None:
    """Why an installation cannot use a GPU; None if it could.

    Args:
        files: its compiled kernels.
        find: imports a module by its name.
    """
    if not files:
        return "this deepdrr was built without nvcc, so it has no CUDA kernels"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyCUDA warns of its own failure before it raises
            find("pycuda.driver")
    except ImportError as error:
        if "libcuda" in str(error) or "undefined symbol" in str(error):
            return f"there is no NVIDIA driver ({error})"
        return "PyCUDA is not installed: pip install 'deepdrr[cuda]'"
    return None
