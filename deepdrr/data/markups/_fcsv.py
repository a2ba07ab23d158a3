"""3D Slicer's older list of points, .fcsv."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath

from deepdrr._atomic import atomic_path
from deepdrr._door import read_text, shown
from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._frames import ras_from
from deepdrr.data.markups._markup import Markup, Point
from deepdrr.geometry import RAS_FROM_LPS

__all__ = ["read_fcsv", "write_fcsv"]

# Of version 4 to 5; rows of version 5 go on with two columns that the header does not name, the first of which is the
# status of the position: 0 undefined, 1 preview, 2 defined, 3 missing (vtkMRMLMarkupsNode).
_COLUMNS = ["id", "x", "y", "z", "ow", "ox", "oy", "oz", "vis", "sel", "lock", "label", "desc", "associatedNodeID"]
_STATUS = {"0": "undefined", "1": "undefined", "2": "defined", "3": "missing"}
_CODES = {"undefined": 0, "defined": 2, "missing": 3}
_HEADER = re.compile(r"#\s*(\w+)\s*=\s*(.*?)\s*$")


def read_fcsv(path: str | os.PathLike[str], frame: str | None = None) -> Annotations:
    """Read the points of an .fcsv file.

    Args:
        path: the file.
        frame: RAS or LPS, for a file that does not say; such as Slicer 3 wrote.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no such file, states neither frame nor columns, or a point is none.
    """
    file = FilePath(path)
    lines = read_text(path, "landmarks").splitlines()
    header = {m[1].lower(): m[2] for line in lines if (m := _HEADER.match(line))}
    columns = [name.strip().lower() for name in header.get("columns", "").split(",")]
    if not {"x", "y", "z", "label"} <= set(columns):
        raise ValueError(f"'{file}' must be an .fcsv file with '# columns = …' of x, y, z and label; it is not")
    stated = header.get("coordinatesystem", frame)
    if stated is None:
        raise ValueError(f"'{file}' does not state its coordinate system: give frame='RAS' or frame='LPS'")
    ras = ras_from(stated, f"'{file}'")
    return Annotations(point.moved(ras) for point in _points(lines, columns, file))


def _points(lines: list[str], columns: list[str], file: FilePath) -> Iterator[Markup]:
    for number, line in enumerate(lines, start=1):
        if line.startswith("#") or not line.strip():
            continue
        cells = next(csv.reader([line]))
        if len(cells) < len(columns):
            raise ValueError(f"line {number} of '{file}' must have {len(columns)} columns, got {len(cells)}")
        row = dict(zip(columns, cells, strict=False))
        status = _STATUS.get(cells[len(columns)], "defined") if len(cells) > len(columns) else "defined"
        if status != "defined":
            yield Point(row["label"], status=status)  # type: ignore[arg-type]
            continue
        try:
            yield Point(row["label"], [float(row[axis]) for axis in "xyz"])
        except ValueError as error:
            got = shown(line, 60)
            raise ValueError(f"line {number} of '{file}' must be a named point of three numbers, got {got}") from error


def write_fcsv(path: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write the points of annotations in RAS mm as an .fcsv file in LPS, as 3D Slicer 5 does.

    Raises:
        OSError: if it cannot be written.
        ValueError: if there is anything but points.
    """
    rows = [[*_COLUMNS]]
    for number, one in enumerate(annotations.values(), start=1):
        if not isinstance(one, Point):
            raise ValueError(f"an .fcsv file holds points only, got the {type(one).__name__.lower()} {one.name!r}")
        position = one.moved(RAS_FROM_LPS).position_mm
        x, y, z = ("0", "0", "0") if position is None else map(repr, position.tolist())
        rows.append(
            [str(number), x, y, z, "0", "0", "0", "1", "1", "1", "0", one.name, "", "", str(_CODES[one.status]), "0"]
        )
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        stream.write("# Markups fiducial file version = 5.6\n# CoordinateSystem = LPS\n")
        stream.write(f"# columns = {','.join(_COLUMNS)}\n")
        csv.writer(stream, lineterminator="\n").writerows(rows[1:])
