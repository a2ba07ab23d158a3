"""Growth of the cost with pixels, steps, voxels, channels, views in a batch, and threads.

    python benchmarks/scaling.py [--short]

`per_unit` is the growth of the time divided by that of the work, from the first point of a curve: 1 is proportional.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from _report import Row, machine, options, print_table, pyplot_or_none, save, save_figure
from _scene import Scene, carm, chords_mm, load_scene, sample_count
from _timing import Unavailable, attempt, seconds_per_call

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Step, project

POSE = "tilt 30/20/10"
STEP = Step(mm=2.0)
RULES: dict[str, dict[str, Any]] = {
    "linear, 2 mm": {"interpolation": "linear", "integration": STEP},
    "linear, exact": {"interpolation": "linear", "integration": Exact()},
    "nearest, exact": {"interpolation": "nearest", "integration": Exact()},
    "cubic, 2 mm": {"interpolation": "cubic", "integration": STEP},
}

COLUMNS = ("axis", "rule", "size", "samples", "ms_min", "ms_median", "ms_max", "per_unit", "note")

# (size of this point, samples or None, the call)
Point = tuple[float, int | None, Callable[[], object]]


def main() -> None:
    """All axes, one after another."""
    chosen = options(__doc__)
    about, scene = machine(), load_scene(chosen.scene)
    rows: list[Row] = []
    for axis, points in axes(scene, short=chosen.short).items():
        for rule, how in RULES.items():
            if axis == "step mm" and rule != "linear, 2 mm":
                continue
            rows += [measure(axis, rule, point, chosen.repetitions) for point in points(how)]
    _relate(rows)
    print_table(f"{scene.name}, {POSE}, {chosen.threads} threads unless said", rows, COLUMNS)
    for row in rows:
        row["scene"], row["repetitions"] = scene.name, chosen.repetitions
    save("scaling", rows, chosen.out, about)
    plot(rows, chosen)


def axes(scene: Scene, *, short: bool) -> dict[str, Callable[[Mapping[str, Any]], Iterator[Point]]]:
    """The varied quantities, each a function from the integration rule to its points."""
    longest = 3 if short else 6
    return {
        "pixels": partial(_pixels, scene, [100, 200, 400, 800, 1600][: longest - 1]),
        "step mm": partial(_steps, scene, [4.0, 2.0, 1.0, 0.5, 0.25][:longest]),
        "voxels": partial(_voxels, [64, 128, 256, 512][: longest - 1]),
        "channels": partial(_channels, scene, [1, 2, 3, 4, 8][:longest]),
        "views": partial(_views, scene, [1, 2, 4, 8, 16, 32][:longest]),
        "threads": partial(_threads, scene, sorted({1, 2, torch.get_num_threads()})),
    }


def measure(axis: str, rule: str, point: Point, repetitions: int) -> Row:
    """One point: a first call, then timed ones."""
    size, samples, call = point
    row: Row = {"case": f"{axis} {size:g}, {rule}", "axis": axis, "rule": rule, "size": size, "samples": samples}
    first = attempt(call)
    if isinstance(first, Unavailable):
        return {**row, "note": first.reason}
    times = sorted(1e3 * seconds_per_call(call) for _ in range(repetitions))
    return {**row, "ms_min": times[0], "ms_median": times[len(times) // 2], "ms_max": times[-1]}


def _relate(rows: list[Row]) -> None:
    """Cost per unit of work relative to the first point of the curve; longer steps and more threads mean less work."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        if "ms_min" not in row:
            continue
        start = first.setdefault((row["axis"], row["rule"]), row)
        grown = row["size"] / start["size"]
        if row["axis"] in ("step mm", "threads"):
            grown = 1 / grown
        row["per_unit"] = row["ms_min"] / start["ms_min"] / grown


def _pixels(scene: Scene, sides: list[int], how: Mapping[str, Any]) -> Iterator[Point]:
    field = scene.field()
    for side in sides:
        camera = carm(POSE, pixels=side, pixel_mm=400 / side)
        samples = sample_count(chords_mm(field, camera), STEP.mm)
        yield side**2, samples, partial(project, field, camera, backend="cpu", **how)


def _steps(scene: Scene, steps: list[float], how: Mapping[str, Any]) -> Iterator[Point]:
    field, camera = scene.field(), carm(POSE)
    chords = chords_mm(field, camera)
    for mm in steps:
        rule = {**how, "integration": Step(mm=mm)}
        yield mm, sample_count(chords, mm), partial(project, field, camera, backend="cpu", **rule)


def _voxels(sides: list[int], how: Mapping[str, Any]) -> Iterator[Point]:
    """Cubes of 360 mm of a smooth field, with finer and finer voxels."""
    camera = carm(POSE)
    for side in sides:
        wave = torch.sin(torch.linspace(0, 9, side))
        values = (1 + wave[:, None, None] * wave[:, None] * wave)[None].contiguous()
        matrix = torch.diag(torch.tensor([side / 360] * 3 + [1.0], dtype=torch.float64))
        matrix[:3, 3] = (side - 1) / 2
        yield side**3, None, partial(project, Field(values, matrix), camera, backend="cpu", **how)


def _channels(scene: Scene, counts: list[int], how: Mapping[str, Any]) -> Iterator[Point]:
    for channels in counts:
        yield channels, None, partial(project, scene.field(channels), carm(POSE), backend="cpu", **how)


def _views(scene: Scene, counts: list[int], how: Mapping[str, Any]) -> Iterator[Point]:
    field = scene.field()
    for views in counts:
        batch = Camera.stack([carm((3.0 * n, 1.5 * n, 0.0)) for n in range(views)])
        yield views, None, partial(project, field, batch, backend="cpu", **how)


def _threads(scene: Scene, counts: list[int], how: Mapping[str, Any]) -> Iterator[Point]:
    field, camera, before = scene.field(), carm(POSE), torch.get_num_threads()
    for threads in counts:
        torch.set_num_threads(threads)
        yield threads, None, partial(project, field, camera, backend="cpu", **how)
    torch.set_num_threads(before)


def plot(rows: list[Row], chosen: Any) -> None:
    """Time against size, one panel per axis."""
    pyplot = pyplot_or_none()
    if pyplot is None:
        return
    names = list(dict.fromkeys(row["axis"] for row in rows))
    figure, panels = pyplot.subplots(2, 3, figsize=(11, 6.5), layout="constrained")
    for axis, panel in zip(names, panels.flat, strict=True):
        for rule in RULES:
            points = [row for row in rows if (row["axis"], row["rule"]) == (axis, rule) and "ms_min" in row]
            if points:
                panel.loglog([p["size"] for p in points], [p["ms_median"] for p in points], "o-", label=rule)
        sizes = sorted({row["size"] for row in rows if row["axis"] == axis})
        panel.set_xticks(sizes, [f"{size:.3g}" if size < 1e4 else f"{size / 1e6:.3g} M" for size in sizes])
        panel.set_xticks([], minor=True)
        panel.set_xlabel(axis)
        panel.set_ylabel("ms")
        panel.grid(alpha=0.3)
    panels.flat[0].legend(fontsize=8)
    save_figure(figure, "scaling", chosen.out)


if __name__ == "__main__":
    main()
