"""The pixels of each view in which a solid can be seen."""

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.raycast import Rays

__all__ = ["windows"]

_MARGIN_PIXELS = 1.0  # beyond the corners of its box


def windows(view: Camera | Rays, boxes: Tensor, world_from_solid: Tensor, views: int) -> Tensor:
    """Rows and columns (first row, end, first column, end) that hold the image of each box, int64 [B, T, 4].

    All of the image, for explicit rays, and for a box that is partly behind the source.

    Args:
        view: the camera, or the rays.
        boxes: least and largest coordinates of the solids [T, 2, 3], mm, in their own frames.
        world_from_solid: [T, 4, 4].
        views: B.
    """
    height, width = (view.height, view.width) if isinstance(view, Camera) else view.shape[-2:]
    whole = torch.tensor([0, height, 0, width]).expand(views, len(boxes), 4)
    if not isinstance(view, Camera):
        return whole.contiguous()
    choice = torch.cartesian_prod(*[torch.arange(2)] * 3)  # [8, 3]
    corners = boxes[:, choice, torch.arange(3)]  # [T, 8, 3]
    corners_world = transform_points(world_from_solid, corners).reshape(-1, 3)
    exact = view.to(torch.float64).to("cpu")
    with torch.no_grad():
        pixels = exact.project_points(corners_world).reshape(views, len(boxes), 8, 2)
    seen = torch.isfinite(pixels).all(dim=-1).all(dim=-1)[..., None]
    low = (pixels.amin(dim=-2) - _MARGIN_PIXELS).floor()
    high = (pixels.amax(dim=-2) + _MARGIN_PIXELS).ceil()
    size = torch.tensor([width, height], dtype=torch.float64)
    low, high = (torch.minimum(end.clamp(min=0.0), size) for end in (low, high))
    found = torch.stack([low[..., 1], high[..., 1], low[..., 0], high[..., 0]], dim=-1)
    return torch.where(seen, found.nan_to_num().long(), whole)
