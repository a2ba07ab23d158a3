"""`Shape`: a closed surface with named points, and the checks that all generators share."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepdrr._numbers import as_count, as_number

__all__ = ["Array", "Faces", "Shape", "below", "lengths", "merged", "segments_of"]

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

_FEWEST, _MOST = 6, 4096


class Shape(NamedTuple):
    """A closed triangle surface in a tool's own frame.

    Attributes:
        vertices: [V, 3], mm.
        faces: [F, 3] indices of vertices, counter-clockwise seen from outside.
        key_points: named points [3] of the frame, mm.
    """

    vertices: Array
    faces: Faces
    key_points: Mapping[str, Array] = MappingProxyType({})

    @property
    def volume_mm3(self) -> float:
        """Enclosed volume, mm³: the sum of the signed tetrahedra between the faces and the origin."""
        a, b, c = np.moveaxis(self.vertices[self.faces], 1, 0)
        return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6

    def moved(self, offset_mm: Array) -> "Shape":
        """The shape at another place."""
        points = {name: point + offset_mm for name, point in self.key_points.items()}
        return Shape(self.vertices + offset_mm, self.faces, points)


def lengths(**values_mm: object) -> tuple[float, ...]:
    """Lengths in mm as floats.

    Raises:
        TypeError: if one is no number.
        ValueError: if one is not positive and finite.
    """
    found = []
    for name, value in values_mm.items():
        number = as_number(value, name)
        if number <= 0:
            raise ValueError(f"{name} must be positive, got {number:g}")
        found.append(number)
    return tuple(found)


def below(limit_mm: float, limit_name: str, **value_mm: float) -> None:
    """Refuse a length that is not below another.

    Raises:
        ValueError: if it is not.
    """
    for name, value in value_mm.items():
        if not value < limit_mm:
            raise ValueError(f"{name} must be below {limit_name}, {limit_mm:g} mm, got {value:g}")


def segments_of(segments: object, multiple: int = 1) -> int:
    """Number of corners of the polygon that stands for a circle, rounded up to a multiple.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is below 6 or above 4096.
    """
    count = as_count(segments, "segments", _FEWEST)
    if count > _MOST:
        raise ValueError(f"segments must be at most {_MOST}, got {count}")
    return -(-count // multiple) * multiple


def merged(shapes: list[Shape], key_points: Mapping[str, Array]) -> Shape:
    """Shapes that do not touch, as one."""
    starts = np.cumsum([0, *(len(shape.vertices) for shape in shapes)])
    faces = [shape.faces + start for shape, start in zip(shapes, starts, strict=False)]
    return Shape(np.concatenate([shape.vertices for shape in shapes]), np.concatenate(faces), key_points)
