"""Annotations in the plane of the detector, where 3D Slicer can show them with the image."""

import numpy as np
import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.data import Annotations, Box, Markup, Path, Plane, Point
from deepdrr.geometry import invert_rigid, transform_points

__all__ = ["on_detector"]


def on_detector(
    annotations: Annotations, camera: Camera, *, world_from_annotations: Tensor | None = None
) -> Annotations:
    """The images of annotations as annotations in the plane of the detector.

    Points stay points, also beside the detector's area; paths stay paths of their kind; planes and boxes become closed
    curves around their image. What has no image, behind the source, keeps its name as an undefined point.

    Args:
        annotations: in their own frame.
        camera: of one view.
        world_from_annotations: rigid transform [4, 4] from it; None if that is the room.

    Returns:
        In the frame of the annotations, so that they stay with the patient.

    Raises:
        ValueError: for a batch of cameras.
    """
    if camera.batch_shape:
        raise ValueError(f"camera must be of a single view, got a batch {tuple(camera.batch_shape)}")
    place = torch.eye(4, dtype=torch.float64) if world_from_annotations is None else world_from_annotations
    return Annotations(_shadow(one, camera, place) for one in annotations.values())


def _shadow(one: Markup, camera: Camera, place: Tensor) -> Markup:
    if isinstance(one, Point) and one.position_mm is None:
        return one
    pixels = camera.project_points(transform_points(place, one.points_mm.to(place.dtype)))
    if not bool(pixels.isfinite().all()):
        return Point(one.name)
    if isinstance(one, Plane | Box):
        pixels = pixels[_around(pixels)]
    points = transform_points(invert_rigid(place), camera.backproject(pixels))
    if isinstance(one, Point):
        return Point(one.name, points[0])
    return Path(one.name, points, one.kind if isinstance(one, Path) else "closed curve")


def _around(pixels: Tensor) -> Tensor:
    """The points of the convex hull of an image, in order; all of one that is seen edge on."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return torch.from_numpy(ConvexHull(pixels.numpy()).vertices.astype(np.int64))
    except QhullError:
        return torch.arange(len(pixels))
