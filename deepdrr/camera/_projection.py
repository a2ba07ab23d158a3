"""Between points of the world and their images, for a camera given by its parts."""

import torch
from torch import Tensor

from deepdrr._shapes import broadcast_shapes
from deepdrr.camera._checks import check_tensor
from deepdrr.camera._parts import Parts
from deepdrr.geometry import invert_rigid, transform_points

__all__ = ["backprojected", "pinhole_matrix", "projected"]


def pinhole_matrix(parts: Parts, *, orthographic: bool) -> Tensor:
    """P = K [R | t], [..., 3, 4]; see `Camera.projection_matrix`."""
    if orthographic:
        raise ValueError("projection_matrix is that of a pinhole; this camera is orthographic")
    intrinsics, camera_from_world, _ = parts
    return intrinsics @ camera_from_world[..., :3, :]


def projected(points_world: Tensor, parts: Parts, *, orthographic: bool) -> Tensor:
    """Images (u, v) [..., N, 2] of points [..., N, 3]; see `Camera.project_points`."""
    check_tensor(points_world, "points_world", 3)
    intrinsics, camera_from_world, sdd_mm = parts
    single = points_world.dim() == 1
    points = points_world.unsqueeze(0) if single else points_world
    points_camera = transform_points(camera_from_world, points)
    depth = points_camera[..., 2:]
    if orthographic:
        depth = sdd_mm[..., None, None].to(depth.dtype).expand_as(depth)
    homogeneous = torch.cat([points_camera[..., :2], depth], dim=-1)
    pixels = homogeneous @ intrinsics.to(homogeneous.dtype).transpose(-1, -2)
    image = torch.where(depth > 0, pixels[..., :2] / depth, torch.nan)
    return image[..., 0, :] if single else image


def backprojected(pixels: Tensor, depth_mm: Tensor | float | None, parts: Parts, *, orthographic: bool) -> Tensor:
    """Points of the world [..., N, 3] at image coordinates [..., N, 2]; see `Camera.backproject`."""
    check_tensor(pixels, "pixels", 2)
    intrinsics, camera_from_world, sdd_mm = parts
    sdd = sdd_mm[..., None].to(pixels.dtype)
    depth = sdd if depth_mm is None else torch.as_tensor(depth_mm, dtype=pixels.dtype, device=pixels.device)
    depth = depth.expand(broadcast_shapes(depth.shape, sdd.shape, pixels.shape[:-1]))
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    direction = homogeneous @ torch.linalg.inv(intrinsics).to(pixels.dtype).transpose(-1, -2)
    plane = sdd.expand_as(depth) if orthographic else depth
    points_camera = torch.cat([direction[..., :2] * plane[..., None], depth[..., None]], dim=-1)
    return transform_points(invert_rigid(camera_from_world), points_camera)
