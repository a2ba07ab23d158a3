"""Compiles the CUDA kernels: `python kernels/cuda/nvcc_build.py --out FOLDER`, and setup.py through it.

Two files: a fatbin with machine code for the architectures below, and PTX, which a driver can compile for any other and
which the software driver of the tests executes. Needs nvcc, no GPU.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ["-std=c++17", "-O3", f"-I{HERE}", f"-I{HERE.parent / 'include'}"]
# Turing, Ampere (2), Ada, Hopper, Blackwell (2): what nvcc 13 compiles for and people have.
ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")
VARIABLE = "DEEPDRR_CUDA_ARCHITECTURES"
FATBIN, PTX = "_kernels_cuda.fatbin", "_kernels_cuda.ptx"
# Older drivers refuse PTX of a newer version, whatever is in it.
LOWEST_VERSION = "7.0"


@dataclass(frozen=True)
class Usage:
    """What ptxas says a kernel takes."""

    kernel: str
    registers: int
    spilled_bytes: int
    shared_bytes: int


def wanted_architectures() -> tuple[str, ...]:
    """Those above, or those that DEEPDRR_CUDA_ARCHITECTURES names, separated by commas; "none" for no machine code."""
    named = os.environ.get(VARIABLE, "")
    chosen = tuple(name for name in named.split(",") if name and name != "none") if named else ARCHITECTURES
    if unknown := [name for name in chosen if not re.fullmatch(r"\d{2,3}[af]?", name)]:
        raise SystemExit(f"{VARIABLE} must name architectures such as 75,90, or none, got {', '.join(unknown)}")
    return chosen


def toolkit() -> Path:
    """The CUDA toolkit's folder; `nvcc` itself may be a wrapper elsewhere."""
    told = _run("nvcc", "--dryrun", "-x", "cu", os.devnull)
    return Path(_found(r"(?m)^#\$ TOP=(.*)$", told)).resolve()


def build(out: Path, architectures: tuple[str, ...]) -> tuple[Path, ...]:
    """Writes the PTX and, for any architectures, the fatbin into the folder `out`, each whole or not at all.

    Returns:
        The paths written; those newer than the sources are left as they are.

    Raises:
        RuntimeError: if there is no nvcc, or with what it says.
    """
    if shutil.which("nvcc") is None:
        raise RuntimeError("there is no nvcc on PATH")
    out.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in sources())
    made = []
    for path, compile_to in ((out / PTX, _compile_ptx), (out / FATBIN, _fatbin_for(architectures))):
        if compile_to is None:
            path.unlink(missing_ok=True)  # an old one would be taken for this build's
        elif not path.exists() or path.stat().st_mtime < newest:
            aside = path.with_suffix(f".{os.getpid()}.new")
            compile_to(aside)
            aside.replace(path)
            made.append(path)
    return tuple(made)


def sources() -> list[Path]:
    """All that the kernels are made of."""
    return [*HERE.glob("*.cu"), *HERE.glob("*.cuh"), *(HERE.parent / "include").rglob("*.h"), Path(__file__)]


def usage(ptx: Path, architecture: str) -> list[Usage]:
    """Registers, spills and shared memory of every kernel on an architecture, e.g. "86"."""
    told = _run("ptxas", f"-arch=sm_{architecture}", "-v", str(ptx), "-o", os.devnull)
    blocks = re.split(r"Compiling entry function '", told)[1:]
    return [
        Usage(
            kernel=block.partition("'")[0],
            registers=int(_found(r"Used (\d+) registers", block)),
            spilled_bytes=int(_found(r"(\d+) bytes spill stores", block)),
            shared_bytes=int(_found(r"(\d+) bytes smem", block)),
        )
        for block in blocks
    ]


def lowered(ptx: str, version: str = LOWEST_VERSION) -> str:
    """The same PTX under an older version number, without the hints that the older version does not know."""
    ptx = re.sub(r'^\s*\.pragma\s+"used_bytes_mask[^"]*";\n', "", ptx, flags=re.MULTILINE)
    return re.sub(r"^\.version\s+\S+", f".version {version}", ptx, flags=re.MULTILINE)


def _compile_ptx(path: Path) -> None:
    """PTX for the oldest architecture, its version lowered if the machine code stays the same to the last byte.

    Raises:
        RuntimeError: also where nvcc's PTX is newer than its own ptxas, as in a toolkit of parts of several releases.
    """
    _run("nvcc", *FLAGS, f"-arch=compute_{ARCHITECTURES[0]}", "-ptx", str(HERE / "module.cu"), "-o", str(path))
    with tempfile.TemporaryDirectory() as folder:
        older = Path(folder) / "older.ptx"
        older.write_text(lowered(path.read_text()))
        machine_code = _machine_code(path, folder)
        with contextlib.suppress(RuntimeError):  # it uses what the older version does not know
            if _machine_code(older, folder) == machine_code:
                path.write_text(older.read_text())


def _machine_code(ptx: Path, folder: str) -> bytes:
    cubin = Path(folder) / f"{ptx.stem}.cubin"
    _run("ptxas", f"-arch=sm_{ARCHITECTURES[0]}", str(ptx), "-o", str(cubin))
    return cubin.read_bytes()


def _fatbin_for(architectures: tuple[str, ...]) -> Callable[[Path], None] | None:
    if not architectures:
        return None
    code = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]
    threads = f"--threads={os.cpu_count() or 1}"

    def compile_to(path: Path) -> None:
        _run(
            "nvcc",
            *FLAGS,
            *code,
            threads,
            "-Xfatbin=-compress-all",
            "-fatbin",
            str(HERE / "module.cu"),
            "-o",
            str(path),
        )

    return compile_to


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout + done.stderr


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--usage", action="store_true", help="print registers, spills and shared memory instead")
    arguments = parser.parse_args()
    for path in build(arguments.out, wanted_architectures()):
        print(path)
    if arguments.usage:
        for architecture in ARCHITECTURES:
            for row in usage(arguments.out / PTX, architecture):
                print(f"sm_{architecture} {row.kernel} {row.registers} {row.spilled_bytes} {row.shared_bytes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
