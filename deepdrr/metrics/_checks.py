"""Checks of the images, masks and numbers given to metrics."""

import math

from torch import Tensor

__all__ = ["check_images", "check_mask", "check_patch", "check_positive"]


def check_images(x1: Tensor, x2: Tensor) -> None:
    """Check two batches of images: same size, same device.

    Raises:
        TypeError: if one is not a floating-point tensor.
        ValueError: if they are not [B, C, H, W], or do not fit together. A batch of one fits any.
    """
    for name, x in (("x1", x1), ("x2", x2)):
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, got {_kind(x)}")
        if x.dim() != 4 or 0 in x.shape:
            raise ValueError(f"{name} must be [B, C, H, W] with no empty axis, got shape {tuple(x.shape)}")
    if x1.shape[1:] != x2.shape[1:] or (x1.shape[0] != x2.shape[0] and 1 not in (x1.shape[0], x2.shape[0])):
        raise ValueError(f"x1 and x2 must have the same shape, got {tuple(x1.shape)} and {tuple(x2.shape)}")
    if x1.device != x2.device:
        raise ValueError(f"x1 and x2 must be on one device, got {x1.device} and {x2.device}")


def check_mask(mask: Tensor | None, image: Tensor) -> None:
    """Check weights of pixels: they must broadcast to the images.

    Raises:
        ValueError: if they do not, are negative or NaN, or are all 0.
    """
    if mask is None:
        return
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask must be a tensor of weights, got {type(mask).__name__}")
    if mask.dim() != 4 or any(m not in (1, n) for m, n in zip(mask.shape, image.shape, strict=True)):
        raise ValueError(f"mask must broadcast to {tuple(image.shape)}, got shape {tuple(mask.shape)}")
    if mask.device != image.device:
        raise ValueError(f"mask must be on the images' device {image.device}, got {mask.device}")
    if not bool((mask >= 0).all()) or bool((mask.sum(dim=(-2, -1)) <= 0).any()):
        raise ValueError("mask must hold weights of 0 or more, not all of them 0, got others")


def check_patch(patch_size: int | None, height: int, width: int) -> None:
    """Check that a patch fits into the image.

    Raises:
        ValueError: if it does not; the message shows patch and image.
    """
    if patch_size is not None and not 2 <= patch_size <= min(height, width):
        raise ValueError(f"patch_size must be 2 to {min(height, width)} pixels or None, got {patch_size}")


def check_positive(value: float, name: str) -> None:
    """Check that a number is finite and above zero.

    Raises:
        ValueError: if it is not; the message names the argument.
    """
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")


def _kind(x: object) -> str:
    return f"dtype {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
