"""The surface of a body or of its labels as a mesh in the world."""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from deepdrr._extras import require

__all__ = ["Mesh", "iso_surface", "label_surface"]

Mesh = Any  # pyvista.PolyData; PyVista is optional

_MOST_CLASSES = 256


def iso_surface(values: Tensor, world_from_voxel: Tensor, cutoff: float, *, progress: bool = False) -> Mesh:
    """The surface where the values, trilinear between voxel centres and zero outside the volume, equal `cutoff`.

    Args:
        values: [D, H, W].
        world_from_voxel: [4, 4], of indices along W, H and D.
        cutoff: above zero.
        progress: show a progress bar.

    Returns:
        Triangles in mm, facing away from the higher values; none if no value is above `cutoff`.
    """
    if not cutoff > 0.0:
        raise ValueError(f"cutoff must be positive, or None for labels, got {cutoff}")
    padded = np.pad(_array(values).astype(np.float32, copy=False), 1)  # closes a body that the border cuts
    mesh = _grid(padded).contour([cutoff], scalars="values", method="flying_edges", progress_bar=progress)
    mesh.clear_data()
    return _placed(mesh, world_from_voxel, offset=-1.0)


def label_surface(labels: Tensor, world_from_voxel: Tensor, *, progress: bool = False) -> Mesh:
    """The smoothed boundaries of labels (surface nets), coloured by label.

    Args:
        labels: [D, H, W], whole numbers, 0 for the background.
        world_from_voxel: [4, 4], of indices along W, H and D.
        progress: show a progress bar.

    Raises:
        ValueError: if the values are not labels: not whole numbers, or more than 256 different ones.
    """
    numbers = _array(labels)
    if not np.array_equal(numbers, np.rint(numbers)):
        raise ValueError("labels must be whole numbers (cutoff=None takes those of the image), got fractions")
    kinds = np.unique(numbers)
    if len(kinds) > _MOST_CLASSES:
        raise ValueError(f"labels must be of at most {_MOST_CLASSES} kinds to be drawn, got {len(kinds)}")
    grid = _grid(numbers.astype(np.int32))
    mesh = grid.contour_labels(scalars="values", output_mesh_type="triangles", progress_bar=progress)
    return _placed(mesh, world_from_voxel, offset=0.0)


def _array(values: Tensor) -> npt.NDArray[Any]:
    if values.ndim < 3 or values.numel() != values.shape[-1] * values.shape[-2] * values.shape[-3]:
        raise ValueError(f"subject must have one volume [1, 1, D, H, W], got shape {tuple(values.shape)}")
    return values.detach().cpu().reshape(values.shape[-3:]).numpy()


def _grid(values: npt.NDArray[Any]) -> Any:
    """A grid of points at the voxel centres, in voxels; the first is (0, 0, 0)."""
    depth, height, width = values.shape
    grid = require("pyvista", "scene", "a scene").ImageData(dimensions=(width, height, depth))
    grid.point_data["values"] = values.ravel()
    return grid


def _placed(mesh: Mesh, world_from_voxel: Tensor, offset: float) -> Mesh:
    """Transform a mesh from voxels to the world; a reflection flips the triangles."""
    matrix = world_from_voxel.detach().cpu().double().numpy()
    points = (np.asarray(mesh.points, dtype=np.float64) + offset) @ matrix[:3, :3].T + matrix[:3, 3]
    mesh.points = points.astype(np.float32)
    if mesh.n_cells and np.linalg.det(matrix[:3, :3]) < 0.0:
        mesh = mesh.flip_faces()
    return mesh
