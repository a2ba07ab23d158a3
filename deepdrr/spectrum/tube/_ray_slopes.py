"""Where each pixel lies as the source sees it."""

import torch
from torch import Tensor

from deepdrr.camera import Camera

__all__ = ["ray_slopes"]


def ray_slopes(camera: Camera) -> tuple[Tensor, Tensor]:
    """Slopes of the rays against the detector's normal, toward the right and the bottom of the picture.

    Args:
        camera: a perspective camera [...].

    Returns:
        Two float64 tensors that broadcast to [..., H, W]: mm to the right and mm down per mm along the normal.
    """
    k = camera.intrinsics.double()
    v = torch.arange(camera.height, device=k.device)[:, None] + 0.5
    u = torch.arange(camera.width, device=k.device)[None, :] + 0.5
    fx, skew, cx, fy, cy = (k[..., i, j, None, None] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
    down = (v - cy) / fy
    return (u - cx - skew * down) / fx.abs(), down * fy.sign()
