"""Convex hulls of structures: their boxes in every view at the price of some hundred points."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.geometry import transform_points

__all__ = ["amodal_boxes", "structure_hulls"]


def structure_hulls(volume: Volume) -> dict[str, Tensor]:
    """The corners of the convex hull of each label.

    The hull of a label is that of its voxels as boxes. Its outline in an image has the same box as that of the label,
    whatever the view.

    Args:
        volume: with labels.

    Returns:
        Points [N, 3] by the label's name, RAS mm, none [0, 3] for a label that no voxel has.

    Raises:
        ValueError: if the volume has no labels.
    """
    if volume.labels is None:
        raise ValueError("the volume has no labels: load it with labels=…")
    labels = volume.labels.cpu().numpy()
    found = {}
    for label in sorted({*volume.label_names, *np.unique(labels).tolist()} - {0}):
        corners = torch.from_numpy(_hull(labels == label))
        found[volume.label_names.get(label, str(label))] = transform_points(volume.anatomical_from_ijk, corners)
    return found


def amodal_boxes(hulls: Mapping[str, Tensor], camera: Camera, world_from_hulls: Tensor) -> dict[str, Tensor]:
    """The boxes of whole structures in an image, also where they reach beyond it.

    Args:
        hulls: points around each structure by name [N, 3], mm: `structure_hulls`, or the vertices of a mesh.
        camera: [*batch]; it may carry gradients.
        world_from_hulls: rigid transform [4, 4].

    Returns:
        (u0, v0, u1, v1) [*batch, 4] by name, pixels; NaN if a point lies behind the source, or there is none.
    """
    found = {}
    for name, points in hulls.items():
        place = world_from_hulls.to(camera.camera_from_world.device)
        if len(points) == 0:
            found[name] = camera.sdd_mm.new_full((*camera.batch_shape, 4), torch.nan, dtype=torch.float64)
            continue
        pixels = camera.project_points(transform_points(place, points.to(place)))
        found[name] = torch.cat([pixels.amin(dim=-2), pixels.amax(dim=-2)], dim=-1)
    return found


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The corners of the convex hull of the voxels of a mask as boxes, in voxel indices [N, 3]."""
    from scipy.spatial import ConvexHull

    if not mask.any():
        return np.zeros((0, 3))
    # A corner of the hull is the first or the last voxel of its row, along each of the axes.
    for axis in range(3):
        mask = mask & (_first(mask, axis) | np.flip(_first(np.flip(mask, axis), axis), axis))
    voxels = np.argwhere(mask).astype(np.float64)
    corners = (voxels[:, None, :] + np.array(list(product((-0.5, 0.5), repeat=3)))).reshape(-1, 3)
    corners = np.unique(corners, axis=0)
    hull: NDArray[np.float64] = corners[ConvexHull(corners).vertices]
    return hull


def _first(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """The first voxel of each row along an axis."""
    begun = np.logical_or.accumulate(mask, axis=axis)
    before = np.roll(begun, 1, axis=axis)
    before[(slice(None),) * axis + (0,)] = False
    first: NDArray[np.bool_] = mask & ~before
    return first
