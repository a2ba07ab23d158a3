"""DiffDRR's Siddon renderer as an oracle for exact nearest-neighbour integrals, and its time.

    python benchmarks/versus_diffdrr.py [--short]

Its renderer gets the same end points of rays, in voxel coordinates, so that neither a camera model nor a reader can
differ; the time excludes DiffDRR's own modules around it. It integrates along infinite lines, whereas we stop at the
detector: so the rays go twice as far as the C-arm's detector, beyond the end of the volume.
"""

from dataclasses import replace
from functools import partial

import torch
from _cases import relative_error
from _report import Row, machine, options, plot_bars, print_table, save
from _scene import POSES, Scene, carm, load_scene
from _timing import Clock, Unavailable, attempt, compare, ours_alone, seconds_per_call
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.raycast import Exact, project

# Both sum in float32, to about 1e-7; if every ray lost a voxel, the error would exceed 1e-4.
SAME = 1e-5

COLUMNS = (
    "case",
    "ours_ms",
    "other_ms",
    "ratio_min",
    "ratio_median",
    "ratio_max",
    "ratio_best",
    "error_other",
    "worst",
)


def main() -> None:
    """One row per pose."""
    chosen = options(__doc__)
    about, scene = machine(), load_scene(chosen.scene)
    pixels, poses = (64, ("AP", "tilt 30/20/10")) if chosen.short else (200, tuple(POSES))
    rows = [measure(scene, pose, pixels, chosen.repetitions) for pose in poses]
    print_table(f"{scene.name}, {pixels}×{pixels} pixels, exact nearest, {chosen.threads} threads", rows, COLUMNS)
    save("versus_diffdrr", rows, chosen.out, about)
    plot_bars("versus_diffdrr", rows, chosen.out, "times faster than DiffDRR's Siddon")


def measure(
    scene: Scene, pose: str, pixels: int, repetitions: int, clock: Clock = seconds_per_call, rows_at_once: int = 20
) -> Row:
    """Values side by side, then times, on the device of the scene."""
    arm, field = carm(pose, pixels=pixels, pixel_mm=400 / pixels).to(scene.device), scene.field()
    camera = replace(arm, sdd_mm=2 * arm.sdd_mm)
    row: Row = {"case": f"exact nearest, {pose}", "scene": scene.name, "pixels": pixels, "repetitions": repetitions}
    ours = partial(project, field, camera, interpolation="nearest", integration=Exact(), backend=scene.device.type)
    other = partial(siddon, scene, camera, rows_at_once)
    image, theirs = attempt(ours), attempt(other)
    for result in (image, theirs):
        if isinstance(result, Unavailable):
            alone = {} if result is image else ours_alone(ours, repetitions, clock)
            return {**row, **alone, "verdict": "not available", "note": result.reason}
    error, worst = relative_error(theirs, image), float((theirs - image).abs().max() / image.abs().max())
    if error > SAME:
        raise RuntimeError(f"{pose}: DiffDRR's Siddon and ours differ by {error:.2g} (root mean square, relative)")
    times = compare(ours, other, repetitions=repetitions, clock=clock).columns()
    return {**row, **times, "error_other": error, "worst": worst}


def siddon(scene: Scene, camera: Camera, rows_at_once: int = 20) -> Tensor:
    """Image [1, H, W] by DiffDRR, a few rows of pixels at a time, because it stores every crossing of every ray."""
    from diffdrr.renderers import Siddon

    renderer = Siddon(voxel_shift=0.5)
    ends = camera.pixel_rays()
    length = (ends[1] - ends[0]).norm(dim=-1).float()
    source, target = (transform_points(scene.ijk_from_world, end).float() for end in ends)
    parts = []
    with torch.no_grad():
        for top in range(0, camera.height, rows_at_once):
            window = slice(top, top + rows_at_once)
            rays = [end[window].reshape(1, -1, 3) for end in (source, target)]
            parts.append(renderer(scene.mu, *rays, length[window].reshape(1, 1, -1)))
    return torch.cat([part.flatten() for part in parts]).reshape(1, camera.height, camera.width)


if __name__ == "__main__":
    main()
