"""Builds and loads the stand-in device; it becomes torch's device type "standin" for the rest of the process."""

import ctypes
import os
import subprocess
from pathlib import Path
from types import ModuleType

import torch

HERE = Path(__file__).resolve().parent
NAME = "standin"

__all__ = ["NAME", "build", "load"]


def build(out: Path) -> Path:
    """Compiles the device into `out`, unless it is there and newer than its source.

    Args:
        out: folder, made where it is missing.

    Returns:
        The path of the library.

    Raises:
        RuntimeError: with the compiler's words.
    """
    source, package = HERE / "stand_in_device.cpp", Path(torch.__file__).parent
    library = out / f"libstand_in_device-torch{torch.__version__}.so"
    if library.exists() and library.stat().st_mtime >= source.stat().st_mtime:
        return library
    out.mkdir(parents=True, exist_ok=True)
    temporary = library.with_suffix(f".{os.getpid()}")
    command = [os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-Wall", "-fPIC", "-shared", str(source)]
    command += [f"-isystem{package}/include", f"-isystem{package}/include/torch/csrc/api/include"]
    command += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]
    command += [f"-L{package}/lib", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{package}/lib", "-o", str(temporary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the stand-in device could not be built: {done.stderr[-2000:]}")
    temporary.replace(library)
    return library


def load(library: Path) -> ctypes.CDLL:
    """Makes the device known to torch. To be called before the first backward pass of the process."""
    loaded = ctypes.CDLL(str(library))
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, _device_module())
    loaded.standin_setup()
    return loaded


def _device_module() -> ModuleType:
    """What torch looks up as `torch.standin`."""
    module = ModuleType(f"torch.{NAME}")
    answers: dict[str, object] = {
        "is_available": True,
        "is_initialized": True,
        "_is_in_bad_fork": False,
        "device_count": 1,
    }
    answers |= {"current_device": 0, "get_amp_supported_dtype": [torch.float16, torch.bfloat16]}
    for name, answer in answers.items():
        setattr(module, name, lambda answer=answer: answer)
    return module
