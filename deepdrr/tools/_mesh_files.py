"""Triangles from files: STL, PLY, OBJ and GLB by trimesh, VTP by PyVista."""

import warnings
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from deepdrr._arguments import checked_path
from deepdrr._extras import require
from deepdrr._memory import check_fits

__all__ = ["MeshFrame", "MeshUnit", "Repair", "read_triangles"]

MeshUnit: TypeAlias = Literal["mm", "cm", "m", "inch"]
MeshFrame: TypeAlias = Literal["own", "RAS", "LPS"]
Repair: TypeAlias = Literal["none", "fill"]

Points = NDArray[np.float64]
Faces = NDArray[np.int64]

_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}
_BY_TRIMESH = (".stl", ".ply", ".obj", ".glb", ".gltf", ".off")
_BY_PYVISTA = (".vtp",)
_BYTES_PER_BYTE = 10  # of memory and file: a face of a binary STL takes 50 bytes, and 500 while its corners are sorted
_SMALLEST_MM, _LARGEST_MM = 0.5, 2000.0  # of tools and implants: a marker, and more than a leg


def read_triangles(path: Path | str, *, unit: MeshUnit, frame: MeshFrame, repair: Repair) -> tuple[Points, Faces]:
    """Vertices [V, 3], mm, and faces [F, 3] of a file; vertices in one place are one.

    The arguments and errors are those of `Mesh.from_file`.
    """
    file = checked_path(path)
    for name, given, known in (("unit", unit, MeshUnit), ("frame", frame, MeshFrame), ("repair", repair, Repair)):
        if given not in get_args(known):
            raise ValueError(f"{name} must be one of {', '.join(get_args(known))}, got {given!r}")
    vertices, faces = _joined(*_read(file))
    if frame == "LPS":
        vertices = vertices * (-1.0, -1.0, 1.0)
    if repair == "fill":
        vertices, faces = _filled(vertices, faces, file)
    vertices = vertices * _MM[unit]
    _warn_of_size(vertices, file, unit)
    return vertices, faces


def _read(file: Path) -> tuple[Points, Faces]:
    suffix = file.suffix.lower()
    if suffix not in (*_BY_TRIMESH, *_BY_PYVISTA):
        raise ValueError(f"path must be a mesh in {', '.join((*_BY_TRIMESH, *_BY_PYVISTA))}, got '{file}'")
    if not file.is_file():
        raise FileNotFoundError(f"there is no mesh at '{file}'")
    check_fits(f"the mesh in '{file}'", (file.stat().st_size, _BYTES_PER_BYTE), dtype=torch.uint8)
    read = _by_pyvista if suffix in _BY_PYVISTA else _by_trimesh
    try:
        vertices, faces = read(file)
    except ImportError:
        raise
    except Exception as error:  # readers raise whatever they meet
        raise ValueError(f"'{file}' cannot be read as {suffix}: {error or type(error).__name__}") from error
    if not len(faces):
        raise ValueError(f"'{file}' holds no triangles: the mesh is empty")
    return np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)


def _by_trimesh(file: Path) -> tuple[Any, Any]:
    trimesh: Any = require("trimesh", "tools", f"reading {file.suffix} files")
    mesh = trimesh.load_mesh(str(file), process=False)
    return mesh.vertices, mesh.faces


def _by_pyvista(file: Path) -> tuple[Any, Any]:
    pyvista: Any = require("pyvista", "scene", f"reading {file.suffix} files")
    surface = pyvista.read(str(file)).triangulate()
    return surface.points, surface.faces.reshape(-1, 4)[:, 1:]


def _joined(vertices: Points, faces: Faces) -> tuple[Points, Faces]:
    """Vertices in one place made one: STL repeats them for each face, other files at seams of textures."""
    places, number = np.unique(vertices + 0.0, axis=0, return_inverse=True)  # −0 is 0
    return places, number.reshape(-1)[faces]


def _filled(vertices: Points, faces: Faces, file: Path) -> tuple[Points, Faces]:
    """Without faces of two equal corners and faces that are there twice; with fans over holes. A warning tells it."""
    trimesh: Any = require("trimesh", "tools", "repair='fill'")
    a, b, c = faces.T
    proper = faces[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(proper, axis=1), axis=0, return_index=True)
    single = proper[np.sort(first)]
    mesh = trimesh.Trimesh(vertices, single, process=False)
    trimesh.repair.fill_holes(mesh, use_fan=True)
    done = [
        f"{count} {what}"
        for count, what in (
            (len(faces) - len(proper), "faces of equal corners left out"),
            (len(proper) - len(single), "faces that were there twice left out"),
            (len(mesh.faces) - len(single), "faces added over holes"),
        )
        if count
    ]
    if done:
        warnings.warn(f"repair='fill' changed '{file}': {', '.join(done)}", stacklevel=4)
    return np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)


def _warn_of_size(vertices: Points, file: Path, unit: MeshUnit) -> None:
    size_mm = float(np.ptp(vertices, axis=0).max())
    other = "m" if size_mm < _SMALLEST_MM else "mm"
    if _SMALLEST_MM <= size_mm <= _LARGEST_MM or other == unit:
        return
    number = size_mm / _MM[unit]
    words = {"m": "metres", "mm": "millimetres"}[other]
    warnings.warn(
        f"the mesh in '{file}' is {number:.3g} {unit} across: if its numbers are {words}, give unit={other!r}",
        stacklevel=4,
    )
