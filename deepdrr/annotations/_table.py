"""Landmarks of an image as a table."""

import csv
import os

from deepdrr._atomic import atomic_path
from deepdrr.annotations._projection import ProjectedAnnotations

__all__ = ["write_points"]


def write_points(path: str | os.PathLike[str], projected: ProjectedAnnotations) -> None:
    """Write the landmarks of a single view as CSV: name, u, v (pixels), depth_mm, visibility.

    Cells are empty for a landmark without an image; see `ProjectedAnnotations` for what the numbers are.

    Raises:
        OSError: if it cannot be written.
        ValueError: for a batch.
    """
    if projected.pixels.dim() != 2:
        raise ValueError(f"projected must be of a single view, got a batch {tuple(projected.pixels.shape[:-2])}")
    rows: list[list[object]] = [["name", "u", "v", "depth_mm", "visibility"]]
    columns = (projected.pixels.tolist(), projected.depth_mm.tolist(), projected.visibility.tolist())
    for name, pixel, depth, visibility in zip(projected.names, *columns, strict=True):
        rows.append([name, *("" if value != value else value for value in (*pixel, depth)), visibility])
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
