"""Issue 3's table: speed against nanodrr for the same rays and number of samples, and the cost of each feature.

    python benchmarks/versus_nanodrr.py [--short] [--only TEXT]

Every pair is run once and compared before it is timed; a pair with different results is an error. Rows whose feature or
peer is missing say so.
"""

from collections.abc import Callable
from functools import partial

import torch
from _cases import Case, peer_cases
from _own_cases import own_cases
from _report import Row, machine, options, plot_bars, print_table, save
from _scene import Scene, carm, chords_mm, load_scene, sample_count
from _timing import Clock, Unavailable, attempt, compare, ours_alone, seconds_per_call

from deepdrr.device import CArmGeometry, MobileCArm
from deepdrr.raycast import Step, project

# Both integrate the same trilinear field along the same rays; with steps of 2 mm each is off by 0.15 %; a detector
# shifted by half a pixel would be off by 1 %.
SAME_RAYS = 0.005

COLUMNS = ("case", "ours_ms", "other_ms", "ratio_min", "ratio_median", "ratio_max", "ratio_best")
COLUMNS += ("must", "reach", "verdict", "error_ours", "error_other", "note")


def main() -> None:
    """Run all rows."""
    chosen = options(
        __doc__,
        arguments={
            "--only": {"default": "", "help": "rows of these cases, e.g. forward, pose_gradient, labels, cubic, rate"}
        },
    )
    about, scene = machine(), load_scene(chosen.scene)
    builders = peer_cases(scene, short=chosen.short) + own_cases(scene)
    rows = [row for build in builders if (row := measure(build, chosen.repetitions, chosen.only))]
    if chosen.only in "rate":
        rows.append(rate(scene, chosen.repetitions, short=chosen.short))
    for row in rows:
        row["scene"], row["repetitions"] = scene.name, chosen.repetitions
    print_table(f"{scene.name}, 200×200 pixels of 2 mm, {chosen.threads} threads", rows, COLUMNS)
    save("versus_nanodrr", rows, chosen.out, about)
    peer_rows = [row for row in rows if row.get("unit") == "times faster"]
    plot_bars("versus_nanodrr", peer_rows, chosen.out, "times faster than nanodrr (red: must, orange: reach)")


def measure(build: Callable[[], Case], repetitions: int, only: str = "", clock: Clock = seconds_per_call) -> Row | None:
    """One row: build the case, run both sides, compare the results, time them alternately. None if not requested."""
    if only not in label(build):
        return None
    case = attempt(build)
    if isinstance(case, Unavailable):
        return {"case": label(build), "verdict": "not available", "note": case.reason}
    assert isinstance(case, Case)
    row: Row = {"case": case.name, "step_mm": case.step_mm, "must": case.must, "reach": case.reach, "note": case.note}
    results = [attempt(case.ours), attempt(case.other)]
    for side, result in zip(("ours", "other"), results, strict=True):
        if isinstance(result, Unavailable):
            alone = {} if side == "ours" else ours_alone(case.ours, repetitions, clock)
            return {**row, **alone, "verdict": "not available", "note": f"{side} {result.reason}"}
    ours, other = case.errors(*results)
    print(f"{case.name}: errors {ours}, {other}", flush=True)
    if "forward, " in case.name and max(ours or 0.0, other) > SAME_RAYS:
        raise RuntimeError(f"{case.name}: not the same rays, errors {ours:.2g} and {other:.2g} of the exact integral")
    times = compare(case.ours, case.other, repetitions=repetitions, clock=clock).columns(inverse=case.cost)
    verdict = case.verdict(times["ratio_median"])
    unit = "times the cost" if case.cost else "times faster"
    return {**row, **times, "unit": unit, "verdict": verdict, "error_ours": ours, "error_other": other}


def rate(scene: Scene, repetitions: int, *, short: bool) -> Row:
    """Million samples per second and core, for all pixels of the C-arm's default detector and half-voxel steps."""
    geometry = CArmGeometry().binned(4) if short else CArmGeometry()
    camera, field, step = MobileCArm(geometry=geometry).camera, scene.int16_field(), Step(mm=scene.voxel_mm / 2)
    samples, threads = sample_count(chords_mm(field, camera), step.mm), torch.get_num_threads()
    project(field, carm(), integration=step, backend="cpu")
    times = [
        seconds_per_call(lambda: project(field, camera, integration=step, backend="cpu")) for _ in range(repetitions)
    ]
    rates = sorted(samples / seconds / threads / 1e6 for seconds in times)
    return {
        "case": f"{camera.height}×{camera.width}, million samples per second and core",
        "step_mm": step.mm,
        "ours_ms": 1e3 * min(times),
        "ratio_min": rates[0],
        "ratio_median": rates[len(rates) // 2],
        "ratio_max": rates[-1],
        "ratio_best": rates[-1],
        "unit": "million samples per second and core",
        "must": 200.0,
        "reach": 400.0,
        "verdict": "reach" if rates[len(rates) // 2] >= 400 else "must" if rates[len(rates) // 2] >= 200 else "below",
    }


def label(build: Callable[[], Case]) -> str:
    """Name of a case before it is built: its function and arguments."""
    assert isinstance(build, partial)
    return ", ".join([build.func.__name__, *(str(a) for a in build.args if not isinstance(a, Scene))])


if __name__ == "__main__":
    main()
