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
from deepdrr.registration._result import Iterate, RegistrationResult
from deepdrr.registration._summary import summary_of

__all__ = ["write_report"]

_MOST_FRAMES = 40
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

    - `overlay.png`: edges of the patient at the start (above) and at the end (below) over the X-rays;
    - `trajectory.csv` and `trajectory.png`: loss, and how far each iteration is from the end;
    - `registration.gif`: the way, view after view side by side; `registration.mp4` too if an `ffmpeg` program or the
      extra `film` is there;
    - `result.json`: poses, loss, iterations, and why each stage stopped.

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
    xrays = target.detach().cpu()
    written = [
        _write_overlay(where / "overlay.png", seen(first.pose), seen(result.pose), xrays),
        _write_table(where / "trajectory.csv", result, registration),
        _write_curves(where / "trajectory.png", result, registration),
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


def _write_overlay(path: Path, start: Tensor, end: Tensor, target: Tensor) -> Path:
    views = len(target)
    figure = require("matplotlib.figure", "plot", "a report").Figure(figsize=(4 * views, 8), layout="constrained")
    axes = figure.subplots(2, views, squeeze=False)
    for row, (images, name) in enumerate(((start, "start"), (end, "registered"))):
        overlay(images, target, [f"{name}, view {view + 1}" for view in range(views)], False, list(axes[row]), **_EDGES)
    return _save(figure, path)


def _write_table(path: Path, result: RegistrationResult, registration: Registration) -> Path:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["iteration", "stage", "loss", "to_end_deg", "to_end_mm", "seconds"])
        for number, iterate in enumerate(result.trajectory):
            turn, shift = _distance(iterate, result, registration)
            loss = "" if math.isnan(iterate.loss) else f"{iterate.loss:.6g}"
            writer.writerow([number, iterate.stage, loss, f"{turn:.5g}", f"{shift:.5g}", f"{iterate.seconds:.3f}"])
    return path


def _write_curves(path: Path, result: RegistrationResult, registration: Registration) -> Path:
    figure = require("matplotlib.figure", "plot", "a report").Figure(figsize=(9, 3.5), layout="constrained")
    losses, distances = figure.subplots(1, 2)
    for stage in sorted({iterate.stage for iterate in result.trajectory if iterate.stage >= 0}):
        numbers = [n for n, iterate in enumerate(result.trajectory) if iterate.stage == stage]
        losses.plot(numbers, [result.trajectory[n].loss for n in numbers], "o-", label=f"stage {stage + 1}")
    losses.set(xlabel="iteration", ylabel="loss", yscale="log")
    losses.legend()
    between = np.array([_distance(iterate, result, registration) for iterate in result.trajectory])
    distances.plot(between[:, 0], "o-", label="rotation, degrees")
    distances.plot(between[:, 1], "o-", label="translation, mm")
    distances.set(xlabel="iteration", ylabel="distance to the end")
    distances.legend()
    return _save(figure, path)


def _write_result(path: Path, result: RegistrationResult) -> Path:
    content = {"pose": result.pose.cpu().double().tolist(), "motion": result.motion.tolist(), **summary_of(result)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _distance(iterate: Iterate, result: RegistrationResult, registration: Registration) -> tuple[float, float]:
    """Rotation in degrees and shift of the isocenter in mm, from an iterate to the end, seen by the first camera."""
    here, there = iterate.pose[0].cpu().double(), result.pose[0].cpu().double()
    center = torch.cat([registration.subject.isocenter.cpu().double(), torch.ones(1, dtype=torch.float64)])
    shift = (torch.linalg.inv(here) - torch.linalg.inv(there)) @ center
    turn = torch.rad2deg(rotation_angle(here[:3, :3], there[:3, :3]))
    return float(turn), float(shift[:3].norm())


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
