"""Registers, spills and occupancy of every CUDA kernel, as a Markdown table; needs nvcc, no GPU.

python scripts/report_cuda_kernels.py > docs/concepts/cuda_kernels.md
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "kernels" / "cuda"))

from nvcc_build import ARCHITECTURES, PTX, Usage, build, toolkit, usage  # noqa: E402

THREADS = 128
MOST_WARPS = {"75": 32, "80": 64, "86": 48, "89": 48, "90": 64, "100": 64, "120": 48}


def occupancies(rows: dict[str, list[Usage]], folder: Path) -> dict[str, list[int]]:
    """Share of a multiprocessor's warps that can be active, in per cent."""
    program = folder / "occupancy"
    command = ["g++", f"-I{toolkit()}/include", str(ROOT / "scripts" / "occupancy.cpp"), "-o", str(program)]
    subprocess.run(command, check=True)
    found = {}
    for architecture, kernels in rows.items():
        lines = "".join(f"{architecture} {k.registers} {k.shared_bytes} {THREADS}\n" for k in kernels)
        told = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True).stdout
        warps = MOST_WARPS[architecture]
        found[architecture] = [round(100 * int(blocks) * THREADS // 32 / warps) for blocks in told.split()]
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, ())
        rows = {a: usage(folder / PTX, a) for a in ARCHITECTURES}
        shares = occupancies(rows, folder)
    print("# The CUDA kernels in numbers\n")
    print("Made by `python scripts/report_cuda_kernels.py`: registers per thread / active warps in per cent of a")
    print("multiprocessor's, for blocks of 128 threads, by ptxas and by the toolkit's occupancy calculator. No kernel")
    print("spills more than the budget that `tests/cuda/test_cuda_usage.py` holds it to. Nothing here ran on a GPU.\n")
    print(f"| kernel | {' | '.join(f'sm_{a}' for a in ARCHITECTURES)} |")
    print(f"|---|{'---|' * len(ARCHITECTURES)}")
    for i, kernel in enumerate(rows[ARCHITECTURES[0]]):
        cells = [f"{rows[a][i].registers} / {shares[a][i]}" for a in ARCHITECTURES]
        print(f"| {kernel.kernel} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
