"""Time of `projector()`, the README's call with its defaults, beside an older checkout of deepdrr.

    python benchmarks/projector.py [--base FOLDER] [--repetitions 7] [--out out/benchmarks]

FOLDER is a checkout with its kernels compiled (`git worktree add FOLDER COMMIT`, there `python setup.py build_ext
--inplace`). Both sides run in processes of their own and take turns. Processor time counts all threads of a call; on a
machine that has other work to do, its ratio is the better figure. Errors are those of the area densities in float32
against the reference in float64, on 24 pixels, relative to the largest of each material.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from _report import Row, machine, print_table, save

_REPOSITORY = Path(__file__).parent.parent
_COLUMNS = ("case", "must", "reach", "base_ms", "ours_ms", "times_faster", "base_cpu_ms", "ours_cpu_ms",
            "times_less_cpu", "base_error", "ours_error")  # fmt: skip
# Name, kind of call, pixels along a side, the bounds.
CASES = (
    ("projector(), 1536²", "image", 1536, 8.0, 15.0),
    ("projector(), 512²", "image", 512, 6.0, 10.0),
    ("projector(), 256²", "image", 256, 6.0, 10.0),
    ("projector() + pose gradient, 512²", "gradient", 512, 3.0, 6.0),
    ("oblique, 512²", "oblique", 512, None, None),
    ("half-voxel steps, 1536²", "steps", 1536, None, None),
)


def main() -> None:
    """Time all cases, print the table and write the CSV."""
    parser = argparse.ArgumentParser(description="Time of projector() beside an older checkout.")
    parser.add_argument("--base", type=Path, help="the older checkout, with its kernels compiled")
    parser.add_argument("--repetitions", type=int, default=7, help="of each case")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"), help="folder of the CSV")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        serve()
        return
    about = machine()
    sides = {"ours": Worker(_REPOSITORY)} | ({"base": Worker(chosen.base.resolve())} if chosen.base else {})
    rows: list[Row] = []
    for name, kind, pixels, must, reach in CASES:
        if chosen.only in name:
            rows.append(
                {"case": name, "must": must, "reach": reach, **compared(sides, kind, pixels, chosen.repetitions)}
            )
            save("projector", rows, chosen.out, about)
    print_table("projector(), bundled pelvis", rows, _COLUMNS)


def compared(sides: "dict[str, Worker]", kind: str, pixels: int, repetitions: int) -> Row:
    """Shortest times and processor times of a case, errors, and the ratios."""
    row: Row = {}
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for side, worker in sides.items():
        row[f"{side}_error"] = worker.ask("prepare", kind, pixels)["error"]
    for repetition in range(repetitions):
        for side in list(sides)[:: 1 if repetition % 2 else -1]:
            found = sides[side].ask("time")
            times[side].append((found["wall"], found["processor"]))
    for side, pairs in times.items():
        wall, processor = zip(*pairs, strict=True)
        row[f"{side}_ms"], row[f"{side}_cpu_ms"] = 1e3 * min(wall), 1e3 * min(processor)
    if "base" in sides:
        row["times_faster"] = row["base_ms"] / row["ours_ms"]
        row["times_less_cpu"] = row["base_cpu_ms"] / row["ours_cpu_ms"]
    return row


class Worker:
    """A process that imports deepdrr from a checkout and answers questions, one JSON line each."""

    def __init__(self, checkout: Path) -> None:
        command = [sys.executable, __file__, "--worker"]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, *question: object) -> dict[str, float]:
        """The answer to a question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("a worker ended: its message is above")
        found: dict[str, float] = json.loads(answer)
        return found


# -- in the worker -----------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer `prepare` and `time` until the input ends."""
    call: Callable[[], object] = dict
    for line in sys.stdin:
        question = json.loads(line)
        if question[0] == "prepare":
            call, error = prepared(*question[1:])
            call()
            answer = {"error": error}
        else:
            wall, processor = time.perf_counter(), time.process_time()
            call()
            answer = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
        print(json.dumps(answer), flush=True)


def prepared(kind: str, pixels: int) -> tuple[Callable[[], object], float | None]:
    """The call of a case, and the error of its area densities."""
    from deepdrr import MobileCArm, Volume
    from deepdrr.device import CArmGeometry
    from deepdrr.projector import Projector
    from deepdrr.raycast import Step
    from deepdrr.resources import resource_path

    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    ct.orient_patient(head_first=True, supine=True)
    angles = {"alpha": 30.0, "beta": 20.0} if kind == "oblique" else {}
    camera = MobileCArm(geometry=CArmGeometry().binned(1536 // pixels), **angles).camera
    fields = {"integration": Step(mm=0.75)} if kind == "steps" else {}
    projector = Projector(ct, carm=camera, **fields)

    def image() -> object:
        return projector()

    def gradient() -> object:
        pose = camera.camera_from_world.clone().requires_grad_()
        projector.carm = replace(camera, camera_from_world=pose)
        projector().mean().backward()
        return pose.grad

    window = camera.cropped(pixels // 3, pixels // 3, 4, 6)
    found, exact = (
        Projector(ct, carm=window, **options).project("area_densities")["area_densities"].double()
        for options in (fields, {"backend": "reference"})
    )
    worst = float(((found - exact).abs().amax(dim=(-2, -1)) / exact.amax(dim=(-2, -1)).clamp(min=1.0)).max())
    return (gradient if kind == "gradient" else image), worst


if __name__ == "__main__":
    main()
