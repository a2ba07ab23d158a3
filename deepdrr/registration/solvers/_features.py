"""Images as unit vectors whose distance is a similarity."""

from typing import Literal

import torch
from torch import Tensor

from deepdrr.geometry import finest_dtype
from deepdrr.metrics import image_gradients

__all__ = ["Compared", "features"]

Compared = Literal["intensity", "edges", "both"]


def features(images: Tensor, compared: Compared, sigma_px: float, mask: Tensor | None) -> Tensor:
    """Planes of weighted mean 0 and all together of length 1: ½ |a − b|² = 1 − their mean correlation.

    Args:
        images: [..., 1, H, W].
        compared: the image itself, its derivatives along columns and rows, or all three.
        sigma_px: of the Gaussian before derivatives are taken, pixels.
        mask: weights of the pixels, broadcastable to the images.

    Returns:
        [..., P, H, W], float64 where the device has it.
    """
    flat = images.flatten(0, -4)
    planes = {
        "intensity": lambda: [flat],
        "edges": lambda: [image_gradients(flat, sigma_px)],
        "both": lambda: [flat, image_gradients(flat, sigma_px)],
    }[compared]()
    stacked = torch.cat(planes, dim=1).unflatten(0, images.shape[:-3])
    stacked = stacked.to(finest_dtype(stacked.device))
    weights = torch.ones((), dtype=stacked.dtype, device=stacked.device) if mask is None else mask.to(stacked)
    weights = weights.expand(*stacked.shape[1:]) if mask is not None else weights.expand_as(stacked[0])
    total = weights.sum(dim=(-2, -1), keepdim=True)
    centered = stacked - (weights * stacked).sum(dim=(-2, -1), keepdim=True) / total
    weighted = weights.sqrt() * centered
    length = weighted.norm(dim=(-2, -1), keepdim=True) * stacked.shape[-3] ** 0.5
    unit: Tensor = weighted / length.clamp_min(torch.finfo(length.dtype).tiny)
    return unit
