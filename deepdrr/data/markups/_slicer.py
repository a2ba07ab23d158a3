"""3D Slicer's markups, .mrk.json."""

import json
import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor

from deepdrr._atomic import atomic_path
from deepdrr._door import shown
from deepdrr._names import unknown_name
from deepdrr._structured import read_fields
from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._frames import check_unit, ras_from
from deepdrr.data.markups._markup import Box, Markup, Path, Plane, Point, Status
from deepdrr.geometry import RAS_FROM_LPS

__all__ = ["markups_of", "read_slicer", "write_slicer"]

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_PATHS = {"Line": "line", "Angle": "angle", "Curve": "curve", "ClosedCurve": "closed curve"}
_TYPES = ("Fiducial", *_PATHS, "Plane", "ROI")
_STATUS: dict[str, Status] = {
    "defined": "defined",
    "undefined": "undefined",
    "preview": "undefined",  # follows the mouse, not placed yet
    "missing": "missing",
}
_LIST = "F"  # what 3D Slicer calls a list of points


def read_slicer(path: str | os.PathLike[str]) -> Annotations:
    """Read all markups of a .mrk.json file.

    The control points of a point list become points, under their labels; a line, angle, curve, plane or box of
    interest has the name of its list. Undefined and missing points keep their names.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no such file, or one of the markups is wrong; the sentence names it.
    """
    return markups_of(read_fields(path, "landmarks"), FilePath(path))


def markups_of(content: dict[Any, Any], file: FilePath) -> Annotations:
    """The markups in the fields of a .mrk.json file; see `read_slicer`."""
    nodes = content.get("markups")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise ValueError(f"'{file}' must hold a list of 'markups', as 3D Slicer writes; it does not")
    try:
        return Annotations(one for n, node in enumerate(nodes) for one in _markups(node, n, file))
    except (TypeError, ValueError) as error:
        # The point, or the markup, is named by the error; the file is not.
        text = str(error)
        raise ValueError(text if str(file) in text else f"in '{file}', {text}") from error


def _markups(node: dict[str, Any], index: int, file: FilePath) -> Iterator[Markup]:
    name = node.get("name") or f"{node.get('type')} {index + 1}"
    where = f"markup {shown(name)} of '{file}'"
    ras = ras_from(node.get("coordinateSystem", "LPS"), where)  # the default of the schema
    check_unit(node.get("coordinateUnits", "mm"), where)
    kind = node.get("type")
    if kind not in _TYPES:
        raise unknown_name(f"type of {where}:", kind, _TYPES)
    points = [_control_point(entry, n, where) for n, entry in enumerate(node.get("controlPoints") or [])]
    if kind == "Fiducial":
        yield from (point.moved(ras) for point in points)
        return
    placed = [point.position_mm for point in points if point.position_mm is not None]
    if kind in _PATHS:
        if placed:  # one that was begun and never placed has no points
            yield Path(name, torch.stack(placed), _PATHS[kind]).moved(ras)  # type: ignore[arg-type]
        return
    center = node.get("center", node.get("origin", placed[0] if placed else None))
    if center is None:
        raise ValueError(f"{where} must have a center or a control point, it has neither")
    made = _plane(name, node, center, where) if kind == "Plane" else _box(name, node, center, where)
    yield made.moved(ras)


def _control_point(entry: object, index: int, where: str) -> Point:
    if not isinstance(entry, dict):
        raise ValueError(f"control point {index + 1} of {where} must be an object, got {shown(entry)}")
    label = entry.get("label") or str(entry.get("id") or index + 1)
    status = _STATUS.get(entry.get("positionStatus", "defined"))
    if status is None:
        raise unknown_name(f"positionStatus of {label!r} in {where}:", entry["positionStatus"], _STATUS)
    position = entry.get("position")
    if status != "defined":
        return Point(label, status=status)
    if position is None:
        raise ValueError(f"{label!r} of {where} must have a position, or be undefined or missing; it has none")
    return Point(label, position)


def _plane(name: str, node: dict[str, Any], center: Any, where: str) -> Plane:
    bounds, size = node.get("planeBounds"), node.get("size")
    if isinstance(size, list) and len(size) >= 2:
        return Plane(name, center, _axes(node, where), size[:2])
    if isinstance(bounds, list) and len(bounds) == 4:
        return Plane(name, center, _axes(node, where), [bounds[1] - bounds[0], bounds[3] - bounds[2]])
    return Plane(name, center, _axes(node, where))


def _box(name: str, node: dict[str, Any], center: Any, where: str) -> Box:
    if node.get("roiType", "Box") not in ("Box", "BoundingBox"):
        raise unknown_name(f"roiType of {where}:", node["roiType"], ("Box", "BoundingBox"))
    if not isinstance(node.get("size"), list):
        raise ValueError(f"{where} must have a size of three lengths, got {shown(node.get('size'))}")
    return Box(name, center, _axes(node, where), node["size"])


def _axes(node: dict[str, Any], where: str) -> Tensor:
    """The directions of a plane or a box as columns [3, 3], in the frame of the file."""
    for field, side in (("orientation", 3), ("baseToNode", 4)):
        given = node.get(field)
        if given is None:
            continue
        if not isinstance(given, list) or len(given) != side * side:
            raise ValueError(f"{field} of {where} must be {side * side} numbers, got {shown(given)}")
        return torch.tensor(given, dtype=torch.float64).reshape(side, side)[:3, :3]
    normal = node.get("normal")
    if normal is None:
        raise ValueError(f"{where} must have an orientation, a baseToNode or a normal, it has none")
    return _about(torch.tensor(normal, dtype=torch.float64))


def _about(normal: Tensor) -> Tensor:
    """A rotation whose third column is a direction; the other two are any across it."""
    z = normal / normal.norm()
    across = torch.eye(3, dtype=torch.float64)[int(z.abs().argmin())]
    x = across - (across @ z) * z
    x = x / x.norm()
    return torch.stack([x, torch.linalg.cross(z, x), z], dim=1)


def write_slicer(path: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write annotations in RAS mm as a .mrk.json file in LPS, as 3D Slicer does: all points in one list.

    Raises:
        OSError: if it cannot be written.
    """
    lps = annotations.moved(RAS_FROM_LPS)
    points = [one for one in lps.values() if isinstance(one, Point)]
    nodes = [_node("Fiducial", _LIST, points)] if points or not lps else []
    nodes += [_written(one) for one in lps.values() if not isinstance(one, Point)]
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"@schema": _SCHEMA, "markups": nodes}, indent=2) + "\n", encoding="utf-8")


def _written(one: Path | Plane | Box) -> dict[str, Any]:
    if isinstance(one, Path):
        kind = next(word for word, kind in _PATHS.items() if kind == one.kind)
        return _node(kind, one.name, [Point(f"{one.name}-{n}", p) for n, p in enumerate(one.points_mm, start=1)])
    placed = {"center": one.center_mm.tolist(), "orientation": one.axes.flatten().tolist(), "size": list(one.size_mm)}
    control = [Point(one.name, one.center_mm)]
    if isinstance(one, Box):
        return {**_node("ROI", one.name, control), "roiType": "Box", **placed, "insideOut": False}
    base = torch.eye(4, dtype=torch.float64)
    base[:3, :3], base[:3, 3] = one.axes, one.center_mm
    width, height = (side / 2 for side in one.size_mm)
    return {
        **_node("Plane", one.name, control),
        "planeType": "pointNormal",
        "sizeMode": "absolute",
        "normal": one.axes[:, 2].tolist(),
        **placed,
        "objectToBase": torch.eye(4).flatten().tolist(),
        "baseToNode": base.flatten().tolist(),
        "planeBounds": [-width, width, -height, height],
    }


def _node(kind: str, name: str, points: list[Point]) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": [_written_point(n, point) for n, point in enumerate(points, start=1)],
    }


def _written_point(number: int, point: Point) -> dict[str, Any]:
    position = {} if point.position_mm is None else {"position": point.position_mm.tolist()}
    return {
        "id": str(number),
        "label": point.name,
        "description": "",
        "associatedNodeID": "",
        **position,
        "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": point.status,
    }
