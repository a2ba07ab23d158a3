"""plastimatch's exact DRR and RTK's Joseph projector, per view, at equal or smaller error than theirs.

    python benchmarks/versus_classics.py [--short]

The truth is the float64 reference of the field that each of them integrates: piecewise constant for plastimatch,
trilinear for RTK. We use exact integration or the coarsest step with at most their error, whichever is faster.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _cases import relative_error
from _classics import Plastimatch, Rtk, turned
from _report import Row, machine, options, plot_bars, print_table, save
from _scene import Scene, load_scene
from _timing import Comparison, Unavailable, attempt, seconds_per_call
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Integration, Step, project

# A detector shifted by half a pixel is off by 1 % of the image.
SAME_RAYS = 0.005

# A cheaper discretisation first; the error falls along the list.
SETTINGS: tuple[Integration, ...] = (*(Step(mm=mm) for mm in (2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35)), Exact())

COLUMNS = ("case", "ours", "ours_ms", "other_ms", "ratio_min", "ratio_median", "ratio_max", "ratio_best")
COLUMNS += ("error_ours", "error_other", "note")


def main() -> None:
    """One row per projector and starting angle."""
    chosen = options(__doc__)
    about, scene = machine(), load_scene(chosen.scene)
    pixels, views, starts = (100, 3, (0.0,)) if chosen.short else (200, 6, (0.0, 45.0, 85.0))
    camera = Camera.carm(
        sdd_mm=1020, sid_mm=850, height=pixels, width=pixels, pixel_mm=400 / pixels, viewed_from="source"
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for build in (Plastimatch, Rtk):
            peer = attempt(lambda build=build: build(scene, Path(folder)))
            for start in starts:
                alphas = [start + n for n in range(views)]
                rows.append(measure(scene, peer, build.name, camera, alphas, chosen.repetitions))
    print_table(f"{scene.name}, {pixels}×{pixels} pixels, {chosen.threads} threads, per view", rows, COLUMNS)
    save("versus_classics", rows, chosen.out, about)
    plot_bars("versus_classics", rows, chosen.out, "times faster, per view, at equal or smaller error")


def measure(scene: Scene, peer: Any, name: str, camera: Camera, alphas: list[float], repetitions: int) -> Row:
    """Their error, our setting, then both times alternately."""
    row: Row = {"case": f"{name}, α = {alphas[0]:g}°", "scene": scene.name, "repetitions": repetitions}
    images = peer if isinstance(peer, Unavailable) else attempt(lambda: peer.images(alphas, camera))
    if isinstance(images, Unavailable):
        return {**row, "verdict": "not available", "note": images.reason}
    views = turned(camera, alphas)
    error_of = _error_in_window(scene, views[0], peer.interpolation)
    error_other = error_of(images[0])
    if error_other > SAME_RAYS:
        raise RuntimeError(f"{row['case']}: not the same rays, its error is {error_other:.2g} of the exact integral")
    field, batch = scene.field(), Camera.stack(views)

    def view(camera: Camera, setting: Integration) -> Tensor:
        return project(field, camera, interpolation=peer.interpolation, integration=setting, backend="cpu")

    errors = {setting: error_of(view(views[0], setting)[0]) for setting in SETTINGS}
    able = [setting for setting, error in errors.items() if error <= error_other]
    setting = min([*able[:1], Exact()], key=lambda setting: seconds_per_call(lambda: view(views[0], setting)))
    error_ours = errors[setting]
    times = Comparison([], [])
    for _ in range(repetitions):
        times.ours.append(seconds_per_call(lambda: view(batch, setting)) / len(views))
        times.other.append(peer.seconds_per_view(alphas, camera))
    ours = f"{peer.interpolation}, {setting}"
    return {**row, "ours": ours, **times.columns(), "error_ours": error_ours, "error_other": error_other}


def _error_in_window(scene: Scene, view: Camera, interpolation: Any, rays: int = 40) -> Callable[[Tensor], float]:
    """Relative error of an image [H, W] on the rays × rays pixels in the middle, which the reference can afford."""
    top, left = (view.height - rays) // 2, (view.width - rays) // 2
    double = Field(scene.mu[None].double(), scene.ijk_from_world)
    window = view.cropped(top, left, rays, rays)
    truth = project(double, window, interpolation=interpolation, integration=Exact(), backend="reference")[0]
    return lambda image: relative_error(image[top : top + rays, left : left + rays].to(torch.float64), truth)


if __name__ == "__main__":
    main()
