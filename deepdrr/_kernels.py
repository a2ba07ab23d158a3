"""Choose the build of the compiled kernels that this machine runs, or say why none can be used."""

import importlib.util
import os
import struct
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

__all__ = ["BUILDS", "load_kernels", "reason_not_loaded", "usable_builds"]

# Fastest first, each with torch's names of the processors that can run it. Torch queries the processor only once.
_BUILDS = {
    "avx512": {"AVX512"},
    "avx2": {"AVX512", "AVX2"},
    "baseline": None,
}
BUILDS = tuple(_BUILDS)
_VARIABLE = "DEEPDRR_CPU_ISA"


def load_kernels(build: str | None = None) -> Any:
    """The compiled module of a build; None for the one that DEEPDRR_CPU_ISA names, or else the fastest usable one.

    Raises:
        RuntimeError: if no build can be used; the message says why.
        ValueError: if the build, or DEEPDRR_CPU_ISA, is unknown, or if this processor cannot run it.
    """
    module = _load(build or os.environ.get(_VARIABLE, ""))
    if isinstance(module, str):
        raise RuntimeError(f"deepdrr's compiled kernels cannot be used: {module}")
    return module


def reason_not_loaded(build: str | None = None) -> str | None:
    """Why a build (with None: every build) cannot be used; None if it can."""
    if build is not None and not _runs_here(build):
        return f"this processor does not have the instructions of the build {build!r}"
    module = _load(build or os.environ.get(_VARIABLE, ""))
    return module if isinstance(module, str) else None


def usable_builds() -> tuple[str, ...]:
    """Names of the builds that are installed and that this processor can run, fastest first."""
    return tuple(name for name in _BUILDS if _runs_here(name) and not isinstance(_import(name), str))


@cache
def _load(wanted: str) -> ModuleType | str:
    if wanted and wanted not in _BUILDS:
        raise ValueError(f"{_VARIABLE} must be one of {', '.join(_BUILDS)}, got {wanted!r}")
    if wanted and not _runs_here(wanted):
        raise ValueError(f"{_VARIABLE}={wanted} asks for instructions that this processor does not have")
    found = [_import(name) for name in ([wanted] if wanted else usable_builds() or ["baseline"])]
    return found[0]


def _runs_here(name: str) -> bool:
    needs = _BUILDS[name]
    return needs is None or torch.backends.cpu.get_cpu_capability() in needs


def _import(name: str) -> ModuleType | str:
    module = f"deepdrr._kernels_{name}"
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None and _is_cut_off(Path(spec.origin)):
            return f"the compiled module {spec.origin} is cut off; reinstall deepdrr"
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        return f"the compiled module {module} is missing ({error}); reinstall with a C++17 compiler"
    except ImportError as error:
        return f"the compiled module {module} cannot be loaded ({error}); reinstall with a C++17 compiler"


def _is_cut_off(path: Path) -> bool:
    """Whether a shared library of Linux (ELF, 64 bits) ends before the table of its sections, which comes last.

    To load such a file ends the process with SIGBUS.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if head[:6] != b"\x7fELF\x02\x01":
        return False
    (offset,), (size, count) = struct.unpack_from("<Q", head, 40), struct.unpack_from("<HH", head, 58)
    return bool(path.stat().st_size < offset + size * count)
