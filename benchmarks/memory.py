"""Peak memory of a projection, and its time relative to reading the touched voxels once.

    python benchmarks/memory.py [--short]

Each memory row is a fresh process. Its budget, in issue 3, is the volume as loaded, the operator's compact copy, the
outputs and 200 MB; `excess_mb` is the peak minus the volume and the output, so it includes the copy.

A bandwidth row counts the distinct cache lines (64 bytes) of the volume, in its memory order, that trilinear samples
touch, and divides the time of a projection by the time of reading as much memory sequentially with the same threads. If
the volume is stored in two orders, the one with fewer lines counts.
"""

import argparse
import itertools
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _report import Row, machine, options, print_table, pyplot_or_none, save, save_figure
from _scene import POSES, Scene, carm, chords_mm, load_scene, sample_count
from _timing import Unavailable, attempt, seconds_per_call
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.raycast import Exact, Field, Step, available_memory, project, with_kernel_layout

ALLOWED_MB = 200
COLUMNS = ("case", "volume_mb", "output_mb", "peak_mb", "excess_mb", "verdict", "note")
BANDWIDTH_COLUMNS = ("case", "samples", "touched_mb", "gb_per_s", "floor_ms", "ms", "ratio", "must", "reach", "verdict")


def main() -> None:
    """Run memory rows, then bandwidth rows."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(json.dumps(one(json.loads(sys.argv[2]))))
        return
    chosen = options(__doc__)
    about = machine()
    memory_rows = [fresh(case) for case in memory_cases(short=chosen.short)]
    print_table("peak memory of a fresh process", memory_rows, COLUMNS)
    scene = load_scene(chosen.scene)
    bandwidth_rows = touched_rows(scene, chosen)
    print_table(f"{scene.name}, touched bytes, {chosen.threads} threads", bandwidth_rows, BANDWIDTH_COLUMNS)
    for row in memory_rows + bandwidth_rows:
        row["repetitions"] = chosen.repetitions
    save("memory", memory_rows + bandwidth_rows, chosen.out, about)
    plot(memory_rows, chosen.out)


def memory_cases(*, short: bool) -> list[Row]:
    """Cubes of 128³ to 1024³ voxels; images of 200² to 3072² pixels; several channels; gradients."""
    plain: Row = {"side": 256, "channels": 1, "pixels": 200, "rule": "step", "gradient": ""}
    more = [{"side": 128}, {}, {"pixels": 1024}, {"rule": "exact"}, {"rule": "cubic"}, {"rule": "arranged"}]
    more += [{"channels": 3}]
    if not short:
        more += [{"side": 512}, {"side": 1024}, {"side": 512, "rule": "cubic"}, {"pixels": 3072}]
        more += [{"gradient": "pose"}, {"gradient": "volume"}, {"pixels": 1024, "gradient": "pose"}]
    return [{**plain, **change, "threads": torch.get_num_threads()} for change in more]


def fresh(case: Row) -> Row:
    """Run one case in a separate process, which reports its peak."""
    name = "{side}³ voxels, {channels} channel, {pixels}² pixels, {rule}".format(**case)
    row: Row = {"case": name + (f", {case['gradient']} gradient" if case["gradient"] else ""), **case}
    needed, available = 4 * case["side"] ** 3 * case["channels"] * 2, available_memory()
    if available is not None and needed > 0.8 * available:
        return {**row, "verdict": "not available", "note": f"not run: needs {needed / 1e9:.0f} GB of memory"}
    command = [sys.executable, __file__, "--one", json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return {**row, "verdict": "not available", "note": lines[-1] if lines else f"exit code {done.returncode}"}
    return {**row, **json.loads(done.stdout.splitlines()[-1])}


def one(case: Row) -> Row:
    """Allocate a volume, project it, and report by how much the peak exceeds the memory before."""
    torch.set_num_threads(case["threads"])
    side, pixels = case["side"], case["pixels"]
    small = Field(torch.ones(1, 4, 4, 4), torch.eye(4, dtype=torch.float64))
    project(small, carm(pixels=8), backend="cpu")
    base = _status_mb("VmRSS")
    values = torch.full((case["channels"], side, side, side), 0.02)
    values.requires_grad_(case["gradient"] == "volume")
    matrix = torch.diag(torch.tensor([side / 360] * 3 + [1.0], dtype=torch.float64))
    matrix[:3, 3] = (side - 1) / 2
    camera = carm("tilt 30/20/10", pixels=pixels, pixel_mm=400 / pixels)
    if case["gradient"] == "pose":
        camera.camera_from_world.requires_grad_()
    how: dict[str, Any] = {"integration": Exact() if case["rule"] == "exact" else Step(mm=1.0), "backend": "cpu"}
    if case["rule"] == "cubic":
        how["interpolation"] = "cubic"  # from values: the coefficients are the copy
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the volume
    field = Field(values, matrix)
    image = project(with_kernel_layout(field) if case["rule"] == "arranged" else field, camera, **how)
    if case["gradient"]:
        image.sum().backward()
    peak = _status_mb("VmHWM") - base
    volume, output = (t.numel() * t.element_size() / 2**20 for t in (values, image))
    if case["gradient"] == "volume":
        output += volume
    excess = peak - volume - output
    budget = ALLOWED_MB + volume
    verdict = "must" if excess <= budget else "below"
    return {"volume_mb": volume, "output_mb": output, "peak_mb": peak, "excess_mb": excess, "verdict": verdict}


def touched_rows(scene: Scene, chosen: argparse.Namespace) -> list[Row]:
    """One row per pose and storage: time relative to reading the touched cache lines."""
    speed, rows = read_bandwidth(chosen.repetitions), []
    fields = {"int16": scene.int16_field(), "float32": scene.field()}
    poses = ("AP", "tilt 30/20/10") if chosen.short else tuple(POSES)
    for (storage, field), pose in itertools.product(fields.items(), poses):
        camera, step = carm(pose), Step(mm=2.0)
        call = partial(project, field, camera, integration=step, backend="cpu")
        row: Row = {"case": f"touched bytes, {storage}, {pose}, 2 mm", "scene": scene.name, "must": 4.0, "reach": 2.0}
        first = attempt(call)
        if isinstance(first, Unavailable):
            rows.append({**row, "verdict": "not available", "note": first.reason})
            continue
        seconds = [seconds_per_call(call) for _ in range(chosen.repetitions)]
        touched = 64 * min(touched_lines(values, scene, camera, step.mm) for values in copies(field))
        floor = touched / speed
        ratio = min(seconds) / floor
        row["samples"] = sample_count(chords_mm(field, camera), step.mm)
        row.update(touched_mb=touched / 2**20, gb_per_s=speed / 1e9, floor_ms=1e3 * floor)
        row.update(ms=1e3 * min(seconds), ratio=ratio)
        rows.append({**row, "verdict": "reach" if ratio <= 2 else "must" if ratio <= 4 else "below"})
    return rows


def copies(field: Field) -> list[Tensor]:
    """The values of a field in each memory order that it stores."""
    assert field.values is not None
    turned = None if field.arrangement is None else field.arrangement.turned
    return [field.values] if turned is None else [field.values, turned.values]


def read_bandwidth(repetitions: int) -> float:
    """Bytes per second of reading 512 MB sequentially: the best of several sums."""
    block = torch.ones(2**27)
    block.sum()
    return block.numel() * 4 / min(seconds_per_call(block.sum) for _ in range(max(3, repetitions)))


def touched_lines(values: Tensor, scene: Scene, camera: Camera, step_mm: float) -> int:
    """Cache lines of values [1, I, J, K], in memory order, with a corner of a cell that contains a sample."""
    last, strides = torch.tensor(scene.mu.shape) - 1, torch.tensor(values.stride()[1:])
    per_line = 64 // values.element_size()
    hit = torch.zeros(int((last * strides).sum()) // per_line + 1, dtype=torch.bool)
    source, target = (transform_points(scene.ijk_from_world, end).float() for end in camera.pixel_rays())
    # Distances from the source between which the volume lies: about its centre, the world's origin.
    reach = 0.5 * float((scene.world_from_ijk[:3, :3] @ (last + 1).double()).norm())
    middle = float(camera.source_world.norm())
    t = torch.arange(max(0.0, middle - reach), middle + reach, step_mm) / float(camera.sdd_mm)
    for row in range(camera.height):
        points = source[row, :, None] + t[:, None] * (target - source)[row, :, None]
        low = points[((points > -0.5) & (points < last + 0.5)).all(dim=-1)].floor().long()
        for corner in itertools.product((0, 1), repeat=3):
            voxel = torch.minimum((low + torch.tensor(corner)).clamp(min=0), last)
            hit[(voxel * strides).sum(-1) // per_line] = True
    return int(hit.sum())


def plot(rows: list[Row], out: Path) -> None:
    """Volume, output and excess of each memory row."""
    pyplot, measured = pyplot_or_none(), [row for row in rows if "peak_mb" in row]
    if pyplot is None or not measured:
        return
    figure, axes = pyplot.subplots(figsize=(9, 0.4 * len(measured) + 1.2), layout="constrained")
    left = [0.0] * len(measured)
    for part, color in (("volume_mb", "#b8c8d8"), ("output_mb", "#4878a8"), ("excess_mb", "#c03028")):
        width = [max(0.0, row[part]) for row in measured]
        axes.barh(range(len(measured)), width, left=left, color=color, label=part.removesuffix("_mb"))
        left = [a + b for a, b in zip(left, width, strict=True)]
    axes.set_yticks(range(len(measured)), [row["case"] for row in measured])
    axes.invert_yaxis()
    axes.set_xlabel("MB at the peak")
    axes.legend()
    save_figure(figure, "memory", out)


def _status_mb(key: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process, MB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) / 1024


if __name__ == "__main__":
    main()
