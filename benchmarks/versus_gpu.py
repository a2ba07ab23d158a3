"""On an NVIDIA GPU: deepdrr's CUDA kernels against nanodrr's Triton kernel and DiffDRR's Siddon, by CUDA events.

    python benchmarks/versus_gpu.py [--short] [--only TEXT]

The rows are those of `versus_nanodrr.py` and `versus_diffdrr.py`, with every tensor on the GPU. Each pair is run once
and compared before it is timed; the two sides are timed in turn. Without a GPU it says why and ends with an error.
"""

import shutil
import subprocess
import sys

import torch
from _cases import peer_cases
from _report import Row, machine, options, plot_bars, print_table, save, version
from _scene import POSES, Scene, load_scene
from _timing import Clock, seconds_per_call_on_gpu
from versus_diffdrr import measure as measure_siddon
from versus_nanodrr import measure

from deepdrr.raycast import backends

COLUMNS = ("case", "ours_ms", "other_ms", "ratio_min", "ratio_median", "ratio_max", "ratio_best")
COLUMNS += ("verdict", "error_ours", "error_other", "note")


def main() -> None:
    """Run all rows on the current GPU."""
    chosen = options(
        __doc__, arguments={"--only": {"default": "", "help": "rows of these cases, e.g. forward, labels, siddon"}}
    )
    state = backends()["cuda"]
    if state != "ready":
        sys.exit(f"benchmarks/versus_gpu.py needs an NVIDIA GPU and the CUDA backend: {state}")
    about = {**machine(), **gpu()}
    scene = load_scene(chosen.scene).to(torch.device("cuda"))
    rows = measured(scene, chosen.repetitions, chosen.only, short=chosen.short)
    print_table(f"{scene.name}, 200×200 pixels of 2 mm, {about['gpu']}", rows, COLUMNS)
    save("versus_gpu", rows, chosen.out, about)
    plot_bars("versus_gpu", rows, chosen.out, f"times faster than the peer on {about['gpu']}")


def measured(
    scene: Scene, repetitions: int, only: str, *, short: bool, clock: Clock = seconds_per_call_on_gpu
) -> list[Row]:
    """All rows, on the device of the scene; the targets of the CPU's table do not hold here and are left out."""
    rows = [measure(build, repetitions, only, clock) for build in peer_cases(scene, short=short)]
    found = [{"peer": "nanodrr", **row} for row in rows if row is not None]
    if only in "siddon":
        pixels, poses = (64, ("AP",)) if short else (200, tuple(POSES))
        siddon = [measure_siddon(scene, pose, pixels, repetitions, clock, rows_at_once=pixels) for pose in poses]
        found += [{"peer": "diffdrr", **row} for row in siddon]
    shared = {"scene": scene.name, "repetitions": repetitions, "device": scene.device.type}
    return [{**{k: v for k, v in row.items() if k not in ("must", "reach")}, **shared} for row in found]


def gpu() -> Row:
    """The GPU and the versions of what drives it, for every row of the CSV."""
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": found.name,
        "capability": f"{found.major}.{found.minor}",
        "gpu_memory_gb": round(found.total_memory / 1e9),
        "multiprocessors": found.multi_processor_count,
        "driver": _driver(),
        "cuda": torch.version.cuda or "",
        **{name: version(name) for name in ("pycuda", "triton")},
    }


def _driver() -> str:
    """As nvidia-smi has it; nothing where that is not installed."""
    if shutil.which("nvidia-smi") is None:
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return told.splitlines()[0].strip() if told else ""


if __name__ == "__main__":
    main()
