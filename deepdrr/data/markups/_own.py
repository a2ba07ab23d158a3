"""Annotations in JSON and CSV of our own: RAS, mm."""

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path as FilePath
from typing import Any, get_args

from deepdrr._atomic import atomic_path
from deepdrr._door import read_text, shown
from deepdrr._names import unknown_name
from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._frames import ras_from
from deepdrr.data.markups._markup import Box, Markup, Path, PathKind, Plane, Point

__all__ = ["annotations_of", "read_csv", "write_csv", "write_json"]

_FRAME = {"frame": "RAS", "unit": "mm"}
_STATUS_FIELDS = ("undefined", "missing")
_FIELDS = (*_FRAME, "points", *_STATUS_FIELDS, "paths", "planes", "boxes")
_COLUMNS = {"RAS": ["R_mm", "A_mm", "S_mm"], "LPS": ["L_mm", "P_mm", "S_mm"]}
_KINDS = ("point", *_STATUS_FIELDS, *get_args(PathKind))


def annotations_of(content: dict[Any, Any], file: FilePath) -> Annotations:
    """The annotations in the fields of a JSON file.

    The fields are `frame`: RAS, `unit`: mm, `points`: name → [R, A, S], `undefined` and `missing`: names of points,
    `paths`: name → `{"kind": "line", "points": […]}`, `planes` and `boxes`: name → `{"center": …, "axes": …,
    "size_mm": …}`, of which `points` must be there.

    Raises:
        ValueError: if they are others.
    """
    if not isinstance(content.get("points"), dict):
        raise ValueError(f"'{file}' must hold an object with 'frame', 'unit' and 'points'")
    frame = {key: content.get(key) for key in _FRAME}
    if frame != _FRAME:
        raise ValueError(f"'{file}' must give its points in {_FRAME}, got {shown(frame)}")
    if unknown := [key for key in content if key not in _FIELDS]:
        raise unknown_name(f"field of '{file}':", unknown[0], _FIELDS)
    try:
        return Annotations(_json_markups(content))
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"'{file}' must hold markups as write_annotations does: {reason}") from error


def _json_markups(content: dict[str, Any]) -> Iterator[Markup]:
    for name, position in content["points"].items():
        yield Point(str(name), position, "defined")
    for status in _STATUS_FIELDS:
        for name in content.get(status) or []:
            yield Point(name, status=status)  # type: ignore[arg-type]
    for name, path in (content.get("paths") or {}).items():
        yield Path(str(name), path["points"], path["kind"])
    for name, plane in (content.get("planes") or {}).items():
        yield Plane(str(name), plane["center"], plane["axes"], plane["size_mm"])
    for name, box in (content.get("boxes") or {}).items():
        yield Box(str(name), box["center"], box["axes"], box["size_mm"])


def write_json(path: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write annotations in RAS mm as a JSON file that `annotations_of` reads.

    Raises:
        OSError: if it cannot be written.
    """
    content: dict[str, Any] = {**_FRAME, "points": {n: p.tolist() for n, p in annotations.points.items()}}
    for status in _STATUS_FIELDS:
        if names := [one.name for one in annotations.values() if getattr(one, "status", "") == status]:
            content[status] = names
    for one in annotations.values():
        if isinstance(one, Point):
            continue
        if isinstance(one, Path):
            content.setdefault("paths", {})[one.name] = {"kind": one.kind, "points": one.points_mm.tolist()}
        else:
            field = "planes" if isinstance(one, Plane) else "boxes"
            placed = {"center": one.center_mm.tolist(), "axes": one.axes.tolist(), "size_mm": list(one.size_mm)}
            content.setdefault(field, {})[one.name] = placed
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_csv(path: str | os.PathLike[str]) -> Annotations:
    """Read points and paths from a CSV file with the columns name, R_mm, A_mm, S_mm, and kind for more than points.

    L_mm and P_mm in the place of R_mm and A_mm make it a file in LPS. Kinds are point, undefined, missing, line, angle,
    curve and closed curve; the rows of a path follow each other.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no such file; the sentence says in which line.
    """
    file = FilePath(path)
    reader = csv.DictReader(io.StringIO(read_text(path, "landmarks"), newline=""))
    columns = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = columns
    frame = next((frame for frame, axes in _COLUMNS.items() if {"name", *axes} <= set(columns)), None)
    if frame is None:
        found = shown(", ".join(columns))[1:-1]
        raise ValueError(f"'{file}' must have the columns name, R_mm, A_mm, S_mm (or L_mm, P_mm, S_mm), got {found}")
    ras = ras_from(frame, f"'{file}'")
    rows = [_row(row, reader.line_num, _COLUMNS[frame], file) for row in reader]
    try:
        return Annotations(one.moved(ras) for one in _csv_markups(rows))
    except ValueError as error:
        raise ValueError(f"in '{file}', {error}") from error


def _row(row: dict[str, Any], line: int, axes: list[str], file: FilePath) -> tuple[str, str, list[float]]:
    if None in row:  # 1,5 for 1.5 would be read as two numbers
        cells = len(row) - 1
        raise ValueError(f"line {line} of '{file}' must have {cells} columns, got {cells + len(row[None])}")  # type: ignore[index]
    kind = (row.get("kind") or "point").strip()
    if kind not in _KINDS:
        raise unknown_name(f"kind in line {line} of '{file}':", kind, _KINDS)
    if kind in _STATUS_FIELDS:
        return row["name"], kind, []
    try:
        position = [float(row[axis]) for axis in axes]
    except (TypeError, ValueError):
        position = [math.nan]
    if not row["name"] or not all(map(math.isfinite, position)):
        got = shown([row["name"], *(row[axis] for axis in axes)])
        raise ValueError(f"line {line} of '{file}' must have a name and three finite numbers, got {got}")
    return row["name"], kind, position


def _csv_markups(rows: list[tuple[str, str, list[float]]]) -> Iterator[Markup]:
    for (name, kind), group in groupby(rows, key=lambda row: row[:2]):
        positions = [position for _, _, position in group]
        if kind in get_args(PathKind):
            yield Path(name, positions, kind)
            continue
        for position in positions:
            yield Point(name, position) if kind == "point" else Point(name, status=kind)


def write_csv(path: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write points and paths in RAS mm as a CSV file that `read_csv` reads.

    Raises:
        OSError: if it cannot be written.
        ValueError: if there is a plane or a box, for which CSV has no place.
    """
    rows: list[list[object]] = [["name", "kind", *_COLUMNS["RAS"]]]
    for one in annotations.values():
        if isinstance(one, Plane | Box):
            kind = type(one).__name__.lower()
            raise ValueError(f"a .csv file holds points and paths, got the {kind} {one.name!r}: write a .json")
        kind = one.kind if isinstance(one, Path) else "point" if one.status == "defined" else one.status
        rows += [[one.name, kind, *position] for position in one.points_mm.tolist() or [["", "", ""]]]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
