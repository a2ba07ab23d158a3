"""Builds the software CUDA driver, and PyCUDA against it, into a folder: `build_software_driver.py --out FOLDER`.

The driver takes seconds. PyCUDA comes as source and takes some minutes of compiling, once: its wheel is kept in FOLDER.
Both need the headers of a CUDA toolkit, which are found beside nvcc.
"""

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYCUDA = "pycuda==2026.1"
SYMBOL = re.compile(r"\bU (cu[A-Z]\w*)$", re.MULTILINE)


def toolkit() -> Path | None:
    """The folder of the CUDA toolkit whose nvcc is on PATH, or None. `nvcc` itself may be a wrapper elsewhere."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    told = subprocess.run(
        [nvcc, "--dryrun", "-x", "cu", "/dev/null"], capture_output=True, text=True, check=False
    ).stderr
    top = re.search(r"^#\$ TOP=(.*)$", told, re.MULTILINE)
    root = Path(top[1]).resolve() if top else Path(nvcc).resolve().parent.parent
    return root if (root / "include" / "cuda.h").exists() else None


def build_driver(out: Path, extension: Path | None = None) -> Path:
    """Compiles `libcuda.so.1` into `out`, unless it is there and newer than its sources.

    Args:
        out: folder, made where it is missing.
        extension: a shared object; every CUDA function that it asks for and the driver has not is made to refuse.

    Returns:
        The path of the library.

    Raises:
        RuntimeError: without a CUDA toolkit, or with the compiler's words.
    """
    root = toolkit()
    if root is None:
        raise RuntimeError("the software CUDA driver is compiled against cuda.h: install a CUDA toolkit, nvcc on PATH")
    out.mkdir(parents=True, exist_ok=True)
    library = out / "libcuda.so.1"
    refusals = out / "refusals.cpp"
    sources = [*sorted((HERE / "driver").glob("*.cpp")), *((refusals,) if refusals.exists() else ())]
    inputs = [*sources, *(HERE / "driver").glob("*.h"), *(HERE / "ptx").glob("*.py"), Path(__file__)]
    if not library.exists() or library.stat().st_mtime < max(p.stat().st_mtime for p in inputs):
        _compile(sources, root, out, library)
    missing = _symbols(extension) - _exported(library) if extension else set()
    if missing:
        text = "".join(
            f'extern "C" int {name}() {{ return 801; }}  // CUDA_ERROR_NOT_SUPPORTED\n' for name in sorted(missing)
        )
        refusals.write_text((refusals.read_text() if refusals.exists() else "") + text)
        _compile([*sources, refusals] if refusals not in sources else sources, root, out, library)
    return library


def build_pycuda(out: Path) -> Path:
    """Builds PyCUDA's wheel into `out`, unless it is there; `pip install` it where it is wanted.

    Returns:
        The path of the wheel.

    Raises:
        RuntimeError: with the end of pip's output.
    """
    wheels = sorted(out.glob("pycuda-*.whl"))
    if wheels:
        return wheels[-1]
    root, link, home = toolkit(), out / "link", out / "home"
    library = build_driver(out)
    for folder in (link, home):
        folder.mkdir(exist_ok=True)
    (home / ".aksetup-defaults.py").write_text("CUDA_ENABLE_CURAND = False\n")
    stub = link / "libcuda.so"
    stub.unlink(missing_ok=True)
    stub.symlink_to(library)
    environment = os.environ | {
        "HOME": str(home),
        "PATH": f"{root}/bin:{os.environ['PATH']}",  # PyCUDA takes the toolkit's folder from nvcc's
        "LIBRARY_PATH": f"{link}:{root}/lib64",
        "LDFLAGS": f"-L{link}",
    }
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", PYCUDA, "-w", str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"PyCUDA could not be built: {(done.stdout + done.stderr)[-2000:]}")
    return sorted(out.glob("pycuda-*.whl"))[-1]


def _compile(sources: list[Path], root: Path, out: Path, library: Path) -> None:
    facts = {
        "SWCUDA_CACHE": str(out),
        "SWCUDA_SOURCE": str(HERE),
        "SWCUDA_PYTHON": sys.executable,
        "SWCUDA_TRANSLATOR": _digest([*(HERE / "ptx").glob("*.py")]),
    }
    temporary = library.with_suffix(f".{os.getpid()}")
    command = [os.environ.get("CXX", "g++"), "-std=c++17", "-O1", "-g", "-Wall", "-fPIC", "-shared", "-pthread"]
    command += [f"-I{root}/include", f"-I{HERE}/driver", "-DCHECKED", "-Wl,-soname,libcuda.so.1"]
    command += [f'-D{name}="{value}"' for name, value in facts.items()]
    command += [*map(str, sources), "-ldl", "-o", str(temporary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the software CUDA driver could not be built: {done.stderr[-2000:]}")
    temporary.replace(library)


def _digest(paths: list[Path]) -> str:
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(paths))).hexdigest()[:16]


def _symbols(extension: Path) -> set[str]:
    told = subprocess.run(["nm", "-D", "--undefined-only", str(extension)], capture_output=True, text=True, check=True)
    return set(SYMBOL.findall(told.stdout))


def _exported(library: Path) -> set[str]:
    told = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in told.stdout.splitlines()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for libcuda.so.1 and PyCUDA's wheel")
    out = parser.parse_args().out.resolve()
    print(build_driver(out))
    print(wheel := build_pycuda(out))
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True)
    package = importlib.util.find_spec("pycuda")
    assert package is not None
    assert package.origin is not None
    build_driver(out, next(Path(package.origin).parent.glob("_driver*.so")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
