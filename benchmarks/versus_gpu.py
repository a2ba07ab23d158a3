"""On an NVIDIA GPU: deepdrr's CUDA kernels against nanodrr's Triton kernel and DiffDRR's Siddon, by CUDA events.

    python benchmarks/versus_gpu.py [--short] [--only TEXT] [--minutes N] [--device cpu]

The rows are those of `versus_nanodrr.py` and `versus_diffdrr.py`, with every tensor on the GPU. Each pair is run once
and compared before it is timed; the two sides are timed alternately. The CSV is written after every row; a row that
fails reports the reason, and the others continue. Without a GPU the script reports the reason and ends with an error;
`--device cpu` shows that it runs.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from _cases import peer_cases
from _report import Row, machine, options, plot_bars, print_table, reason, save, version
from _scene import POSES, Scene, load_scene
from _timing import Clock, seconds_per_call, seconds_per_call_on_gpu
from versus_diffdrr import measure as measure_siddon
from versus_nanodrr import label, measure

from deepdrr.raycast import backends

COLUMNS = ("case", "peer", "ours_ms", "other_ms", "ratio_min", "ratio_median", "ratio_max", "ratio_best")
COLUMNS += ("verdict", "error_ours", "error_other", "note")

ARGUMENTS = {
    "--only": {"default": "", "help": "rows of these cases, e.g. forward, labels, siddon"},
    "--minutes": {"type": float, "default": float("inf"), "help": "begin no row after this time (default: no limit)"},
    "--device": {"choices": ("cuda", "cpu"), "default": "cuda", "help": "cpu: no GPU's times, to see that it runs"},
}


def main() -> int:
    """Run all rows; return 1 if one failed."""
    begin = time.monotonic()
    chosen = options(__doc__, arguments=ARGUMENTS)
    on_gpu = chosen.device == "cuda"
    if on_gpu and (state := backends()["cuda"]) != "ready":
        sys.exit(f"benchmarks/versus_gpu.py needs an NVIDIA GPU and the CUDA backend: {state}")
    about = {**machine(), **(gpu() if on_gpu else {"gpu": "none"})}
    scene = load_scene(chosen.scene).to(torch.device(chosen.device))
    clock = seconds_per_call_on_gpu if on_gpu else seconds_per_call
    rows: list[Row] = []
    until = begin + 60 * chosen.minutes
    for row in measured(scene, chosen.repetitions, chosen.only, short=chosen.short, clock=clock, until=until):
        rows.append(row)
        save("versus_gpu", rows, chosen.out, about)
    print_table(f"{scene.name}, 200×200 pixels of 2 mm, {about['gpu']}", rows, COLUMNS)
    plot_bars("versus_gpu", rows, chosen.out, f"times faster than the peer on {about['gpu']}")
    return int(any(row.get("verdict") == "failed" for row in rows))


def measured(
    scene: Scene,
    repetitions: int,
    only: str,
    *,
    short: bool,
    clock: Clock = seconds_per_call_on_gpu,
    until: float = float("inf"),
) -> Iterator[Row]:
    """Run row after row on the device of the scene; no row starts after the time `until` of `time.monotonic`.

    The targets of the CPU's table do not apply here and are left out.
    """
    shared = {"scene": scene.name, "repetitions": repetitions, "device": scene.device.type}
    for name, peer, begin in _rows(scene, repetitions, only, short=short, clock=clock):
        if time.monotonic() > until:
            row: Row = {"case": name, "verdict": "not run", "note": "no time was left"}
        else:
            row = _told(name, begin)
        targets = {"must", "reach"} | ({"verdict"} if "ratio_median" in row else set())
        yield {"peer": peer, **{k: v for k, v in row.items() if k not in targets}, **shared}


def _rows(
    scene: Scene, repetitions: int, only: str, *, short: bool, clock: Clock
) -> Iterator[tuple[str, str, Callable[[], Row]]]:
    """Name, peer and call of every requested row."""
    for build in peer_cases(scene, short=short):
        if only in label(build):
            yield label(build), "nanodrr", partial(measure, build, repetitions, clock=clock)
    if only in "siddon":
        pixels, poses = (64, ("AP",)) if short else (200, tuple(POSES))
        for pose in poses:
            what = (scene, pose, pixels, repetitions, clock)
            yield f"exact nearest, {pose}", "diffdrr", partial(measure_siddon, *what, rows_at_once=pixels)


def _told(name: str, begin: Callable[[], Row]) -> Row:
    """The row, or the reason for its failure, so that the next rows run and earlier measurements are kept."""
    try:
        return begin()
    except Exception as error:
        print(f"{name}: failed, {reason(error)}", flush=True)
        return {"case": name, "verdict": "failed", "note": reason(error)}


def gpu() -> Row:
    """The GPU and the versions of its driver and libraries, for every row of the CSV."""
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
    """The version that nvidia-smi reports; empty if it is not installed."""
    if shutil.which("nvidia-smi") is None:
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return told.splitlines()[0].strip() if told else ""


if __name__ == "__main__":
    sys.exit(main())
