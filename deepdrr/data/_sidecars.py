"""Label names and landmarks in small text files beside the images."""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from torch import Tensor

from deepdrr._atomic import atomic_path
from deepdrr._door import check_file
from deepdrr.geometry import ArrayLike, as_point

__all__ = ["LabelNames", "Landmarks", "load_label_names", "load_landmarks", "save_label_names", "save_landmarks"]

LabelNames = Mapping[int, str] | str | os.PathLike[str]
"""Label → name, or a CSV file with the columns `id` and `name` (or `structure`)."""

Landmarks = Mapping[str, ArrayLike] | str | os.PathLike[str]
"""Name → RAS mm, or a JSON file `{"frame": "RAS", "unit": "mm", "points": {name: [x, y, z]}}`."""

_FRAME = {"frame": "RAS", "unit": "mm"}


def load_label_names(names: LabelNames) -> dict[int, str]:
    """Check names of labels, or read them from a CSV file.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if it is neither a mapping nor a path.
        ValueError: if a label is not an integer ≥ 0, or a column is missing.
    """
    given: object = _named(check_file(names)) if isinstance(names, str | os.PathLike) else names
    if not isinstance(given, Mapping):
        raise TypeError(f"label_names must map integers to names, got {given!r}")
    for label, name in given.items():
        if isinstance(label, bool) or not isinstance(label, Integral) or label < 0:
            raise ValueError(f"label_names must map integers ≥ 0 to names, got the label {label!r}")
        if not isinstance(name, str) or not name:
            raise ValueError(f"label_names must map integers to names, got {name!r} for label {label}")
    return {int(label): name for label, name in given.items()}


def _named(file: Path) -> dict[int, str]:
    try:
        return dict(_rows(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"'{file}' must be a CSV file, but is no text: {error}") from error


def _rows(file: Path) -> Iterator[tuple[int, str]]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        columns = reader.fieldnames or []
        name = next((c for c in ("name", "structure") if c in columns), None)
        if "id" not in columns or name is None:
            shown = ", ".join(columns)[:80]
            raise ValueError(f"'{file}' must have the columns id and name (or structure), got {shown}")
        for row in reader:
            try:
                yield int(row["id"]), row[name] or ""
            except (TypeError, ValueError):
                where = f"line {reader.line_num} of '{file}'"
                raise ValueError(f"{where} must give a label as an integer id, got {row['id']!r}") from None


def save_label_names(path: Path, names: Mapping[int, str]) -> None:
    """Write a CSV file that `load_label_names` reads."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("id", "name"), *sorted(names.items())])


def load_landmarks(landmarks: Landmarks) -> dict[str, Tensor]:
    """Check landmarks, or read them from a JSON file.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if it is neither a mapping nor a path.
        ValueError: if it is not such a file, or a point is not three finite numbers.
    """
    points = _json_points(check_file(landmarks)) if isinstance(landmarks, str | os.PathLike) else landmarks
    if not isinstance(points, Mapping):
        raise TypeError(f"landmarks must map names to points, got {points!r}")
    return {str(name): as_point(p, f"landmark {name!r}").clone() for name, p in points.items()}


def _json_points(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{file}' is not a JSON file: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("points"), dict):
        raise ValueError(f"'{file}' must hold an object with 'frame', 'unit' and 'points'")
    frame = {key: content.get(key) for key in _FRAME}
    if frame != _FRAME:
        raise ValueError(f"'{file}' must give its points in {_FRAME}, got {frame}")
    points: dict[str, Any] = content["points"]
    return points


def save_landmarks(path: str | os.PathLike[str], landmarks: Mapping[str, Tensor]) -> None:
    """Write a JSON file that `load_landmarks` reads."""
    content = {**_FRAME, "points": {name: p.tolist() for name, p in landmarks.items()}}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
