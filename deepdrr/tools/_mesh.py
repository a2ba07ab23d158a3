"""`Mesh`: a closed surface of triangles."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from deepdrr._memory import check_fits
from deepdrr.geometry import ArrayLike, check_affine, transform_points
from deepdrr.tools._mesh_checks import check_closed, check_faces, check_vertices
from deepdrr.tools._mesh_files import MeshFrame, MeshUnit, Repair, read_triangles

__all__ = ["Mesh"]

# The sorted edges that the checks hold, and the tree that rays walk: measured at 10⁶ faces.
_BYTES_PER_FACE = 250


class Mesh:
    r"""A closed surface of triangles, whose normals point outwards.

    A point is inside if the surface winds around it more than zero times. So a shell inside another counts by the way
    it is wound: one whose normals point into the hollow, such as the bore of a cannulated screw, takes its inside away;
    one that is wound like the outer shell changes nothing, and shells that overlap are one body.

    Args:
        vertices: corners [V, 3], mm, in the mesh's own frame; float64 inside. They may carry a gradient.
        faces: numbers of the corners of each triangle [F, 3], counterclockwise seen from outside.

    Raises:
        TypeError: if one of them holds no numbers, or faces no whole ones.
        ValueError: if there are no faces, a number is not finite, a corner does not exist, the surface is open or wound
            inconsistently, a face has no area, or a shell is inside out; with their number and the place of the first.
        MemoryError: if there are more faces than fit into memory.

    Example:
        >>> corners = [[0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]]
        >>> wedge = Mesh(corners, [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
        >>> wedge
        Mesh of 4 faces in 1 shell, 30 × 30 × 30 mm, 4.5 cm³
    """

    def __init__(self, vertices: ArrayLike | Sequence[Any], faces: ArrayLike | Sequence[Any]) -> None:
        self.vertices = check_vertices(vertices)
        self.faces = check_faces(faces, len(self.vertices))
        check_fits(f"the checks of {len(self.faces)} faces", (len(self.faces), _BYTES_PER_FACE), dtype=torch.uint8)
        self.shells = check_closed(self.vertices.detach().numpy(), self.faces.numpy())

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "shells"):
            raise AttributeError(f"a Mesh stays as it was made, got an assignment to {name!r}: make another Mesh")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        size = " × ".join(f"{edge:.4g}" for edge in self.size_mm)
        shells = "1 shell" if self.shells == 1 else f"{self.shells} shells"
        return f"Mesh of {len(self.faces)} faces in {shells}, {size} mm, {self._cm3:.4g} cm³"

    @property
    def _cm3(self) -> float:
        return float(self.volume_mm3.detach()) / 1000.0

    @property
    def corners(self) -> Tensor:
        """The corners of each face [F, 3, 3], mm."""
        return self.vertices[self.faces]

    @property
    def volume_mm3(self) -> Tensor:
        r"""Enclosed volume \( \tfrac16 \sum (a \times b) \cdot c \), mm³, a scalar; differentiable in the vertices.

        What shells share counts as often as they wind around it.
        """
        a, b, c = (self.corners - self.vertices.detach().mean(dim=0)).unbind(dim=1)
        volume: Tensor = (torch.linalg.cross(a, b) * c).sum() / 6.0
        return volume

    @property
    def area_mm2(self) -> Tensor:
        """Area of the surface, mm², a scalar; differentiable in the vertices."""
        a, b, c = self.corners.unbind(dim=1)
        area: Tensor = torch.linalg.cross(b - a, c - a).norm(dim=-1).sum() / 2.0
        return area

    @property
    def bounds(self) -> Tensor:
        """Least and largest coordinates [2, 3], mm, in the mesh's own frame."""
        vertices = self.vertices.detach()
        return torch.stack([vertices.amin(dim=0), vertices.amax(dim=0)])

    @property
    def size_mm(self) -> tuple[float, float, float]:
        """Edges of the box around it, mm."""
        x, y, z = (self.bounds[1] - self.bounds[0]).tolist()
        return x, y, z

    def transformed(self, matrix: ArrayLike) -> "Mesh":
        """The mesh after an affine transform. A reflection turns the faces around: normals still point outwards.

        Args:
            matrix: [4, 4], to the new frame, mm; a gradient goes to it.

        Example:
            >>> corners = [[0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]]
            >>> wedge = Mesh(corners, [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
            >>> wedge.transformed(torch.diag(torch.tensor([2.0, 1.0, -1.0, 1.0])))
            Mesh of 4 faces in 1 shell, 60 × 30 × 30 mm, 9 cm³
        """
        affine = check_affine(matrix, "matrix").to(self.vertices)
        mirrored = float(torch.linalg.det(affine[:3, :3].detach())) < 0
        return Mesh(transform_points(affine, self.vertices), self.faces.flip(-1) if mirrored else self.faces)

    @classmethod
    def from_file(cls, path: Path | str, *, unit: MeshUnit, frame: MeshFrame = "own", repair: Repair = "none") -> Self:
        """A mesh from an STL (binary or text), PLY, OBJ, GLB, OFF or VTP file.

        Args:
            path: the file.
            unit: what its numbers are, `"mm"`, `"cm"`, `"m"` or `"inch"`: files do not say it.
            frame: `"own"`: the mesh keeps the frame of the file; so it does with `"RAS"`, that of deepdrr's volumes;
                `"LPS"`: x and y change their sign, as 3D Slicer writes surfaces.
            repair: `"fill"` leaves out faces of two equal corners and those that are there twice, closes holes with
                fans of faces, and warns of what it did; `"none"` refuses them.

        Raises:
            FileNotFoundError: if there is no file.
            ImportError: if trimesh (extra `tools`), or PyVista (`scene`) for VTP, is missing.
            ValueError: for a file of another kind, one that cannot be read, and what `Mesh` refuses.
            MemoryError: if it would not fit into the free memory.

        Warns:
            UserWarning: for a mesh so small or large that its unit is likely another, and of repairs.
        """
        return cls(*read_triangles(path, unit=unit, frame=frame, repair=repair))

    @classmethod
    def joined(cls, *meshes: "Mesh") -> Self:
        """One mesh of the shells of several; where they overlap, they are one body.

        Raises:
            ValueError: if there is none.
        """
        if not meshes:
            raise ValueError("joined needs at least one mesh, got none")
        first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])]).tolist()
        faces = [mesh.faces + offset for mesh, offset in zip(meshes, first, strict=True)]
        return cls(torch.cat([mesh.vertices for mesh in meshes]), torch.cat(faces))

    @property
    def radius_mm(self) -> float:
        """Half the diagonal of the box around it, mm."""
        return 0.5 * math.hypot(*self.size_mm)
