"""The rays of a camera given by `k_inv` and `rt_inv`, in world coordinates."""

import torch
from torch import Tensor

from deepdrr.camera import pixel_centers, pixel_lines
from deepdrr.drr._checks import check_batches, check_points
from deepdrr.geometry import finest_dtype
from deepdrr.raycast import Rays

__all__ = ["camera_rays", "camera_sources", "given_rays", "of_subject", "pixel_targets"]


def camera_rays(k_inv: Tensor, rt_inv: Tensor, sdd: Tensor, height: int, width: int, *, orthographic: bool) -> Rays:
    """The rays from the source to the centres of all pixels [*B, H, W], see `render`.

    World points of pixels are affine in u and v, so each is the sum of a term of its row and one of its column, in
    double precision.
    """
    dtype = finest_dtype(rt_inv.device)
    pose, distance = rt_inv.to(dtype), sdd.to(dtype)
    world_from_pixel = _product(pose[..., :3, :3], k_inv.to(dtype)) * distance[..., None, None]
    along = pose[..., :3, 2] * distance[..., None] if orthographic else None
    centers = pixel_centers(height, width, pose)
    sources, targets = pixel_lines(world_from_pixel, pose[..., :3, 3], *centers, along=along)
    return Rays(sources[0] + sources[1], targets[0] + targets[1])


def given_rays(
    src: Tensor | None,
    tgt: Tensor | None,
    k_inv: Tensor,
    rt_inv: Tensor,
    sdd: Tensor,
    height: int,
    width: int,
    *,
    orthographic: bool,
) -> Rays:
    """Rays between points of the camera's frame [*B, H·W, 3] (sources also [*B, 1, 3]) as images [*B, H, W].

    The camera supplies the points that are None.
    """
    target = pixel_targets(k_inv, sdd, height, width) if tgt is None else tgt
    source = camera_sources(target, sdd, orthographic=orthographic) if src is None else src
    check_points(source, "src", height * width, single=True)
    check_points(target, "tgt", height * width, single=False)
    check_batches(height, width, rt_inv=(rt_inv, 2), src=(source, 2), tgt=(target, 2))
    dtype = finest_dtype(rt_inv.device)
    pose = rt_inv.to(dtype)
    ends = []
    for points in (source, target):
        world = points.to(dtype) @ pose[..., :3, :3].transpose(-1, -2) + pose[..., None, :3, 3]
        ends.append(world[..., None, :] if points.shape[-2] != height * width else world.unflatten(-2, (height, width)))
    return Rays(*ends)


def of_subject(rays: Rays, index: int) -> Rays:
    """The rays of one of several subjects, which are the first axis of the batch."""
    source, target = (end.expand(*rays.shape[:-2], *end.shape[-3:])[index] for end in (rays.source, rays.target))
    return Rays(source, target)


def pixel_targets(k_inv: Tensor, sdd: Tensor, height: int, width: int) -> Tensor:
    """Centres of the pixels in the camera's frame [*B, H·W, 3], mm: sdd k_inv (u, v, 1)."""
    camera_from_pixel = k_inv * sdd[..., None, None].to(k_inv.dtype)
    _, (rows, columns) = pixel_lines(camera_from_pixel, k_inv.new_zeros(3), *pixel_centers(height, width, k_inv))
    centers: Tensor = rows + columns
    return centers.flatten(-3, -2)


def camera_sources(tgt: Tensor, sdd: Tensor, *, orthographic: bool) -> Tensor:
    """Start of the rays to these points in the camera's frame: its origin [*B, 1, 3], or sdd in front of each point."""
    if not orthographic:
        return tgt.new_zeros(*tgt.shape[:-2], 1, 3)
    along = torch.zeros(3, dtype=tgt.dtype, device=tgt.device)
    along[2] = 1.0
    return tgt - sdd[..., None, None].to(tgt.dtype) * along


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product in full precision, even under autocast."""
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)
