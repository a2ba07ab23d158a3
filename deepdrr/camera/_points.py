"""Where points of the world fall on a detector given by `k_inv` and `rt_inv`, and which of them it sees."""

import torch
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr.camera._checks import check_tensor
from deepdrr.geometry import full_precision, in_double

__all__ = ["project_points"]


@full_precision
def project_points(
    points_world: Tensor,
    k_inv: Tensor,
    rt_inv: Tensor,
    *,
    sdd: Tensor | float | None = None,
    height: int | None = None,
    width: int | None = None,
    orthographic: bool = False,
) -> tuple[Tensor, Tensor]:
    """Project points onto the detector, (u, v) = K (x, y, z) / z, or K (x, y, sdd) / sdd for parallel beams.

    Args:
        points_world: [B, N, 3] or [N, 3], mm.
        k_inv: inverse intrinsics [B, 3, 3], see `make_k_inv`.
        rt_inv: world_from_camera [B, 4, 4]; batches broadcast.
        sdd: distance from source to detector, [B] or a number, mm. With it a point beyond the detector is not visible;
            needed for parallel beams.
        height, width: rows and columns. With them a point beside the detector is not visible.
        orthographic: parallel beams along the camera's z.

    Returns:
        (uv, visible): pixels [B, N, 2], centres at +0.5, differentiable with respect to points, pose and intrinsics;
        and whether each point [B, N] is in front of the source, and on the detector or before it if `sdd`, `height`
        and `width` are given. NaN where the point is in the source's plane or behind it: it has no image.

    Raises:
        ValueError: for shapes that do not fit, or parallel beams without `sdd`.

    Example:
        >>> from deepdrr.camera import make_k_inv, make_rt_inv
        >>> k_inv = make_k_inv(1000.0, 1.0, 1.0, 0.0, 0.0, 200, 200)
        >>> rt_inv = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 500.0, 0.0]]))
        >>> uv, visible = project_points(torch.tensor([[[0.0, 0, 0], [10.0, 0, 0]]]), k_inv, rt_inv)
        >>> uv.round()  # 10 mm to the patient's right are 20 mm to the left on the detector
        tensor([[[100., 100.],
                 [ 80., 100.]]])
    """
    check_tensor(points_world, "points_world", 3)
    check_tensor(k_inv, "k_inv", 3, 3)
    check_tensor(rt_inv, "rt_inv", 4, 4)
    if orthographic and sdd is None:
        raise ValueError("sdd must be given for parallel beams (orthographic=True), got None")
    height, width = (None if n is None else as_count(n, name) for n, name in ((height, "height"), (width, "width")))
    points = points_world if points_world.is_floating_point() else points_world.float()
    dtype = torch.promote_types(points.dtype, torch.float32)
    camera_from_world = torch.linalg.inv(in_double(rt_inv)).to(rt_inv.device, dtype)
    k = torch.linalg.inv(in_double(k_inv)).to(k_inv.device, dtype)
    linear, offset = camera_from_world[..., :3, :3], camera_from_world[..., None, :3, 3]
    camera = points.to(dtype) @ linear.transpose(-1, -2) + offset
    depth = camera[..., 2:]
    front = depth > 0
    if sdd is not None:
        far = torch.as_tensor(sdd, dtype=dtype, device=points.device)[..., None, None]
        front = front & (depth <= far)
    plane = far.expand_as(depth) if orthographic and sdd is not None else depth
    seen = plane > 0
    plane = torch.where(seen, plane, 1.0)
    homogeneous = torch.cat([camera[..., :2] / plane, torch.ones_like(plane)], dim=-1)
    pixels = homogeneous @ k.transpose(-1, -2)
    uv = torch.where(seen, pixels[..., :2] / pixels[..., 2:], torch.nan)
    visible = front[..., 0]
    for axis, count in ((0, width), (1, height)):
        if count is not None:
            visible = visible & (uv[..., axis] >= 0) & (uv[..., axis] < count)
    return uv, visible
