"""Annotations from and to files; the name's ending says which kind."""

import os
from collections.abc import Callable
from pathlib import Path as FilePath

from deepdrr._arguments import checked_path
from deepdrr._structured import read_fields
from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._fcsv import read_fcsv, write_fcsv
from deepdrr.data.markups._own import annotations_of, read_csv, write_csv, write_json
from deepdrr.data.markups._slicer import markups_of, write_slicer

__all__ = ["read_annotations", "write_annotations"]

_WRITERS: dict[str, Callable[[FilePath, Annotations], None]] = {
    ".mrk.json": write_slicer,
    ".fcsv": write_fcsv,
    ".csv": write_csv,
    ".json": write_json,
}


def read_annotations(path: str | os.PathLike[str], *, frame: str | None = None) -> Annotations:
    """Read points, lines, curves, planes and boxes from a file.

    Args:
        path: 3D Slicer's `.mrk.json` or `.fcsv`, or a `.json` or `.csv` as `write_annotations` writes.
        frame: `"RAS"` or `"LPS"`, for an .fcsv file that does not say.

    Returns:
        The annotations, in RAS mm.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no such file, or something in it is wrong: a coordinate that is no number, a unit other
            than mm, a name that is there twice.

    Example:
        >>> import tempfile
        >>> file = FilePath(tempfile.mkdtemp()) / "points.fcsv"
        >>> _ = file.write_text("# CoordinateSystem = LPS\\n# columns = id,x,y,z,label\\n1,10,20,30,tip\\n")
        >>> read_annotations(file).points
        {'tip': tensor([-10., -20.,  30.], dtype=torch.float64)}
    """
    file = checked_path(path)
    suffix = file.suffix.lower()
    if suffix == ".fcsv":
        return read_fcsv(file, frame)
    if frame is not None:
        raise ValueError(f"frame is for an .fcsv file that does not say, got {frame!r} for '{file}'")
    if suffix == ".csv":
        return read_csv(file)
    if suffix != ".json":
        raise ValueError(f"landmarks must be a .mrk.json, .fcsv, .json or .csv file, got '{file}'")
    content = read_fields(file, "landmarks")
    return markups_of(content, file) if "markups" in content else annotations_of(content, file)


def write_annotations(path: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write annotations in RAS mm to a file that `read_annotations` reads.

    Args:
        path: ends in .mrk.json or .fcsv (points only), which 3D Slicer opens, .json, or .csv (points and paths only).
        annotations: what to write.

    Raises:
        OSError: if it cannot be written.
        ValueError: for another ending, or what the kind of file has no place for.
    """
    file = checked_path(path)
    writer = next((w for suffix, w in _WRITERS.items() if file.name.lower().endswith(suffix)), None)
    if writer is None:
        raise ValueError(f"path must end in {', '.join(_WRITERS)}, got '{file.name}'")
    writer(file, annotations)
