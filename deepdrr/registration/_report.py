"""A registration as pictures: start and end over the X-rays, the way between, and its numbers."""

import csv
import io
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepdrr._atomic import atomic_path
from deepdrr._extras import require
from deepdrr.metrics import rotation_angle
from deepdrr.plot import draw_frames, overlay, write_frames
from deepdrr.registration._registration import Registration
from deepdrr.registration._result import Iterate, RegistrationResult, shift_between
from deepdrr.registration._summary import summary_of

__all__ = ["write_report"]

_MOST_FRAMES = 40
_TO_END = ("to_end_deg", "to_end_mm", "to_end_across_mm", "to_end_depth_mm")
# Bones in a radiograph are soft: their edges rise by a few hundredths of the grey scale over a pixel.
_EDGES: dict[str, Any] = {"blur_kernel": 5, "canny_low": 8.0, "canny_high": 24.0}


def write_report(
    registration: Registration,
    target: Tensor,
    result: RegistrationResult,
    folder: str | os.PathLike[str],
    *,
    n_samples: int | None = 300,
    backend: str = "auto",
) -> tuple[Path, ...]:
    """Write a folder that shows a registration.

    - `overlay.png`: edges of the patient at the start (above) and at the end (below) over the X-rays, in the polarity
      in which they were compared; with the quality, the shift, and how sure the pose is, across the beam and in depth;
    - `trajectory.csv` and `trajectory.png`: loss, and how far each iteration is from the end: turn, shift across the
      beam and along it;
    - `registration.gif`: the way, view after view side by side; `registration.mp4` too if an `ffmpeg` program or the
      extra `film` is there;
    - `result.json`: poses, quality, certainty, what was left out, loss, iterations, and why each stage stopped.

    Args:
        registration: its cameras and patient.
        target: the X-rays [V, 1, H, W].
        result: of `register`.
        folder: is made if it is not there; files of these names in it are replaced.
        n_samples, backend: see `deepdrr.drr.render`.

    Returns:
        The files.

    Raises:
        ImportError: if matplotlib or scikit-image is not installed (the extra `plot`).
        OSError: if a file cannot be written.
    """
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)

    @torch.no_grad()
    def seen(pose: Tensor) -> Tensor:
        return registration.render(pose, n_samples, backend=backend).sum(dim=1, keepdim=True).cpu()

    first = result.trajectory[0]
    xrays = result.target.pixels.detach().cpu()
    written = [
        _write_overlay(where / "overlay.png", seen(first.pose), seen(result.pose), xrays, result),
        _write_table(where / "trajectory.csv", result),
        _write_curves(where / "trajectory.png", result),
        _write_result(where / "result.json", result),
    ]
    chosen = _frames(result.trajectory)
    frames = torch.stack([_side_by_side(seen(iterate.pose)) for iterate in chosen])
    titles = ["start" if i.stage < 0 else f"stage {i.stage + 1}, loss {i.loss:.4f}" for i in chosen]
    fixed = _side_by_side(xrays)[None]
    fps = max(2.0, len(chosen) / 6.0)
    pictures = draw_frames(frames, fixed_img=fixed, titles=titles, ticks=False, edges=_EDGES)
    written.append(write_frames(pictures, where / "registration.gif", fps=fps))
    with suppress(ImportError):  # no ffmpeg: the GIF has to do
        written.append(write_frames(pictures, where / "registration.mp4", fps=fps))
    return tuple(written)


def _write_overlay(path: Path, start: Tensor, end: Tensor, target: Tensor, result: RegistrationResult) -> Path:
    views = len(target)
    figure = require("matplotlib.figure", "plot", "a report").Figure(figsize=(4 * views, 8), layout="constrained")
    axes = figure.subplots(2, views, squeeze=False)
    for row, (images, name) in enumerate(((start, "start"), (end, "registered"))):
        overlay(images, target, [f"{name}, view {view + 1}" for view in range(views)], False, list(axes[row]), **_EDGES)
    across, along = result.shift_mm
    figure.suptitle(
        f"{result.quality}\nshifted by {across:.1f} mm across and {along:.1f} mm along the beam\n"
        f"{result.certainty}".replace(" in depth, ", " in depth\n"),
        fontsize="x-small",
    )
    return _save(figure, path)


def _write_table(path: Path, result: RegistrationResult) -> Path:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["iteration", "stage", "loss", *_TO_END, "seconds"])
        for number, iterate in enumerate(result.trajectory):
            turn, across, depth = _distance(iterate, result)
            loss = "" if math.isnan(iterate.loss) else f"{iterate.loss:.6g}"
            apart = [f"{distance:.5g}" for distance in (turn, math.hypot(across, depth), across, depth)]
            writer.writerow([number, iterate.stage, loss, *apart, f"{iterate.seconds:.3f}"])
    return path


def _write_curves(path: Path, result: RegistrationResult) -> Path:
    figure = require("matplotlib.figure", "plot", "a report").Figure(figsize=(9, 3.5), layout="constrained")
    losses, distances = figure.subplots(1, 2)
    for stage in sorted({iterate.stage for iterate in result.trajectory if iterate.stage >= 0}):
        numbers = [n for n, iterate in enumerate(result.trajectory) if iterate.stage == stage]
        losses.plot(numbers, [result.trajectory[n].loss for n in numbers], "o-", label=f"stage {stage + 1}")
    losses.set(xlabel="iteration", ylabel="loss", yscale="log")
    losses.legend()
    turn, across, depth = np.array([_distance(iterate, result) for iterate in result.trajectory]).T
    sure = result.certainty
    for values, what, deviation in (
        (across, "shift across the beam, mm", sure.in_plane_mm),
        (np.abs(depth), "shift along the beam, mm", sure.depth_mm),
        (turn, "turn, degrees", math.hypot(sure.in_plane_deg, sure.out_of_plane_deg)),
    ):
        distances.plot(values, "o-", label=f"{what} (±{deviation:.2g} at the end)")
    distances.set(xlabel="iteration", ylabel="distance to the end")
    distances.legend(fontsize="small")
    return _save(figure, path)


def _write_result(path: Path, result: RegistrationResult) -> Path:
    content = {"pose": result.pose.cpu().double().tolist(), "motion": result.motion.tolist(), **summary_of(result)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _distance(iterate: Iterate, result: RegistrationResult) -> tuple[float, float, float]:
    """Turn in degrees, and shift of the isocenter across and along the beam in mm, to the end, for the first camera."""
    here, there = iterate.pose[0].cpu().double(), result.pose[0].cpu().double()
    turn = torch.rad2deg(rotation_angle(here[:3, :3], there[:3, :3]))
    return float(turn), *shift_between(here, there, result.isocenter)


def _frames(trajectory: tuple[Iterate, ...]) -> list[Iterate]:
    """The start, the end and what lies between, evenly."""
    places = np.unique(np.linspace(0, len(trajectory) - 1, _MOST_FRAMES).round().astype(int))
    return [trajectory[place] for place in places]


def _side_by_side(images: Tensor) -> Tensor:
    """Views [V, 1, H, W] beside each other, each with grey values from 0 to 1: [1, H, V · W]."""
    low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
    return torch.cat(list((images - low) / (high - low).clamp_min(1e-12)), dim=-1)


def _save(figure: object, path: Path) -> Path:
    """Write a figure whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format="png")  # type: ignore[attr-defined]
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path
