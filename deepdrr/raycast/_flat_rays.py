"""Rays as lists of views: the batch is one axis, and values that rays share are stored once."""

import numpy as np
import torch
from torch import Tensor

from deepdrr.raycast._rays import CameraRays, RayEnds, unexpanded

__all__ = ["UNLIMITED", "flat_ends", "flat_limits", "flat_rays"]

# The first and last t of rays without limits.
UNLIMITED = (np.zeros((1, 1, 1)), np.ones((1, 1, 1)))


def flat_rays(rays: RayEnds | CameraRays) -> list[Tensor]:
    """Source, target [B, H, W, 3], start and stop [B, H, W] in float64, with stride 0 along axes that share values."""
    return [*(flat_ends(tensor, rays.shape) for tensor in (rays.source, rays.target)), *flat_limits(rays)]


def flat_ends(ends: Tensor, shape: torch.Size) -> Tensor:
    """[..., H, W, 3] → [B, H, W, 3]."""
    return _flat(ends, shape, 3)


def flat_limits(rays: RayEnds | CameraRays) -> list[Tensor]:
    """Start and stop [B, H, W]."""
    shape = rays.shape
    flat = []
    for limit, unlimited in zip((rays.start, rays.stop), UNLIMITED, strict=True):
        if limit is None:
            everywhere = torch.from_numpy(unlimited).to(rays.device)
            flat.append(everywhere.expand(shape[:-2].numel(), *shape[-2:]))
        else:
            flat.append(_flat(limit[..., None], shape, 1)[..., 0])
    return flat


def _flat(tensor: Tensor, shape: torch.Size, components: int) -> Tensor:
    """[..., H, W, components] → [B, H, W, components]; axes of stride 0 keep stride 0."""
    batch, (height, width) = shape[:-2], shape[-2:]
    small = unexpanded(tensor).double().contiguous()
    if len(batch) > 1:
        small = small.reshape((1,) * (len(shape) + 1 - small.dim()) + small.shape)
        if any(n != 1 for n in small.shape[:-3]):
            small = small.expand(*batch, *small.shape[-3:])
        small = small.reshape(-1, *small.shape[-3:])
    return small.expand(batch.numel(), height, width, components)
