"""Names of labels and landmarks, as they are given: as they are, or in small text files beside the images."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping
from numbers import Integral
from pathlib import Path

from deepdrr._atomic import atomic_path
from deepdrr._door import check_file, read_text, shown
from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._files import read_annotations
from deepdrr.data.markups._markup import Point
from deepdrr.geometry import ArrayLike

__all__ = ["LabelNames", "Landmarks", "load_label_names", "load_landmarks", "save_label_names"]

LabelNames = Mapping[int, str] | str | os.PathLike[str]
"""Label → name, or a CSV file with the columns `id` and `name` (or `structure`)."""

Landmarks = Mapping[str, ArrayLike] | Annotations | str | os.PathLike[str]
"""Name → RAS mm, annotations, or a file of them, see `deepdrr.annotations.read_annotations`."""

_LABEL = re.compile(r"[+-]?[0-9]{1,18}")


def load_label_names(names: LabelNames) -> dict[int, str]:
    """Check names of labels, or read them from a CSV file.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if it is neither a mapping nor a path.
        ValueError: if a label is not an integer ≥ 0, or a column is missing.
    """
    given: object = _named(names) if isinstance(names, str | os.PathLike) else names
    if not isinstance(given, Mapping):
        raise TypeError(f"label_names must map integers to names, got {given!r}")
    for label, name in given.items():
        if isinstance(label, bool) or not isinstance(label, Integral) or label < 0:
            raise ValueError(f"label_names must map integers ≥ 0 to names, got the label {label!r}")
        if not isinstance(name, str) or not name:
            raise ValueError(f"label_names must map integers to names, got {name!r} for label {label}")
    return {int(label): name for label, name in given.items()}


def _named(path: str | os.PathLike[str]) -> dict[int, str]:
    text = read_text(path, "label_names")
    try:
        return dict(_rows(Path(path), text))
    except csv.Error as error:
        raise ValueError(f"'{path}' must be a CSV file, but a line of it is none") from error


def _rows(file: Path, text: str) -> Iterator[tuple[int, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = reader.fieldnames or []
    name = next((c for c in ("name", "structure") if c in columns), None)
    if "id" not in columns or name is None:
        found = shown(", ".join(columns))[1:-1]
        raise ValueError(f"'{file}' must have the columns id and name (or structure), got {found}")
    for row in reader:
        label = row["id"] or ""
        if not _LABEL.fullmatch(label.strip()):
            raise ValueError(
                f"line {reader.line_num} of '{file}' must give a label as an integer id, got {shown(label)}"
            )
        yield int(label), row[name] or ""


def save_label_names(path: Path, names: Mapping[int, str]) -> None:
    """Write a CSV file that `load_label_names` reads."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("id", "name"), *sorted(names.items())])


def load_landmarks(landmarks: Landmarks | None) -> Annotations:
    """Check landmarks, or read them from a file.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if it is neither a mapping nor a path.
        ValueError: if it is not such a file, or a point is not three finite numbers.
    """
    if landmarks is None:
        return Annotations()
    if isinstance(landmarks, Annotations):
        return landmarks
    if isinstance(landmarks, str | os.PathLike):
        check_file(landmarks, "landmarks")
        return read_annotations(landmarks)
    if not isinstance(landmarks, Mapping):
        raise TypeError(f"landmarks must map names to points, got {landmarks!r}")
    return Annotations(Point(str(name), p, "defined") for name, p in landmarks.items())  # type: ignore[arg-type]
