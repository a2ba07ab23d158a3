"""Bodies with holes and slots: unions and differences of solids, by the library manifold3d (extra `tools`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from deepdrr._extras import require
from deepdrr.tools.generators._shape import Array, Shape

__all__ = ["Body", "box", "cylinder", "slab"]


@dataclass(frozen=True)
class Body:
    """A solid of manifold3d."""

    solid: Any

    @classmethod
    def of(cls, shape: Shape) -> Self:
        """The solid inside a surface."""
        library = _library()
        mesh = library.Mesh64(shape.vertices, shape.faces.astype(np.uint64))
        return cls(library.Manifold(mesh))

    def without(self, *others: "Body") -> Self:
        """This solid less others."""
        return type(self)(
            _library().Manifold.batch_boolean(
                [self.solid, *(other.solid for other in others)], _library().OpType.Subtract
            )
        )

    def moved(self, offset_mm: Sequence[float]) -> Self:
        """This solid at another place."""
        return type(self)(self.solid.translate(tuple(offset_mm)))

    def rotated(self, degrees_xyz: tuple[float, float, float]) -> Self:
        """This solid turned about x, then y, then z."""
        return type(self)(self.solid.rotate(degrees_xyz))

    def shape(self, key_points: Mapping[str, Array]) -> Shape:
        """Its surface.

        Raises:
            ValueError: if nothing is left, or the cuts left it in pieces.
        """
        pieces = len(self.solid.decompose())
        if pieces != 1:
            raise ValueError(
                f"the holes must leave the tool in one piece, got {pieces}: they are too large or too near"
            )
        mesh = self.solid.to_mesh64()
        vertices = np.asarray(mesh.vert_properties, dtype=np.float64)[:, :3].copy()
        return Shape(vertices, np.asarray(mesh.tri_verts).astype(np.int64), key_points)


def cylinder(diameter_mm: float, length_mm: float, segments: int) -> Body:
    """A cylinder about z with its middle in the origin."""
    return Body(_library().Manifold.cylinder(length_mm, diameter_mm / 2, diameter_mm / 2, segments, True))


def box(size_mm: Sequence[float]) -> Body:
    """A box with its middle in the origin."""
    return Body(_library().Manifold.cube(tuple(size_mm), True))


def slab(length_mm: float, width_mm: float, thickness_mm: float, segments: int) -> Body:
    """A plate along x with half-round ends, its middle in the origin."""
    library = _library()
    end = library.CrossSection.circle(width_mm / 2, segments)
    apart = length_mm / 2 - width_mm / 2
    outline = (end.translate((-apart, 0.0)) + end.translate((apart, 0.0))).hull()
    return Body(library.Manifold.extrude(outline, thickness_mm).translate((0.0, 0.0, -thickness_mm / 2)))


def _library() -> Any:
    return require("manifold3d", "tools", "a tool with holes")
