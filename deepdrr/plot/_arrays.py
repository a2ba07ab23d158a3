"""The contents of plots as arrays: checked images, and masks and edges as colored layers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from deepdrr._extras import require

__all__ = ["Color", "Gray", "Layer", "as_batch", "as_mask", "colors_of", "edge_layer", "flattened", "mask_layer"]

Color = tuple[float, float, float]
Gray = npt.NDArray[np.float64]  # [H, W]
Layer = npt.NDArray[np.float32]  # [H, W, 4], red, green, blue and opacity, each in [0, 1]


def as_batch(image: object, name: str) -> Tensor:
    """An image [B, C, H, W] as float64 on the CPU, detached from its graph.

    Raises:
        TypeError: if it is not a tensor of real numbers.
        ValueError: if it has another shape, or no pixels.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"{name} must be a tensor [B, C, H, W], got {type(image).__name__}")
    if image.is_complex():
        raise TypeError(f"{name} must hold real numbers, got {image.dtype}")
    if image.ndim != 4 or image.numel() == 0:
        raise ValueError(f"{name} must be [B, C, H, W] with at least one pixel, got shape {tuple(image.shape)}")
    return image.detach().cpu().double()


def as_mask(mask: object, image: Tensor, name: str) -> Tensor:
    """A mask [B, C, H, W] as booleans on the CPU; channel 0 is the background."""
    values = as_batch(mask, name) > 0
    if len(values) != len(image) or values.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            f"{name} must have the images and pixels of its image, shape {tuple(image.shape)} but for the channels, "
            f"got {tuple(values.shape)}"
        )
    return values


def colors_of(colormap: object, count: int, distinct: int) -> list[Color]:
    """Colors for `count` classes: `distinct` ones, evenly spaced in a matplotlib color map, then repeated."""
    if distinct < 1:
        raise ValueError(f"mask_n_colors must be at least 1, got {distinct}")
    chosen = require("matplotlib", "plot", "drawing").colormaps.get_cmap(colormap)
    base = [chosen(index / max(distinct - 1, 1))[:3] for index in range(distinct)]
    return [base[index % distinct] for index in range(count)]


def mask_layer(
    mask: Tensor, colors: Sequence[Color], interior_alpha: float, edge_alpha: float, edge_width: int
) -> Layer:
    """All classes in one layer, later ones over earlier ones: a translucent fill and an outline inside the border.

    Args:
        mask: [C, H, W], booleans, without the background.
        colors: one per class.
        interior_alpha, edge_alpha: opacity of the fill, and the opacity that the outline adds.
        edge_width: width of the outline, pixels.

    Raises:
        ValueError: if the width is negative.
    """
    if edge_width < 0:
        raise ValueError(f"edge_width must not be negative, got {edge_width}")
    below = np.zeros((*mask.shape[-2:], 4), dtype=np.float32)
    for color, area in zip(colors, mask, strict=True):
        if area.any():
            opacity = interior_alpha * area + edge_alpha * (area & ~_eroded(area, edge_width))
            below = _over(_layer(opacity.numpy(), color), below)
    return below


def flattened(gray: Gray, layer: Layer) -> npt.NDArray[np.uint8]:
    """A grey picture in [0, 1] with a layer over it, as bytes [H, W, 3]."""
    backdrop = np.concatenate([np.repeat(gray[..., None], 3, axis=-1), np.ones((*gray.shape, 1))], axis=-1)
    colors = _over(layer, backdrop.astype(np.float32))[..., :3]
    pixels: npt.NDArray[np.uint8] = np.rint(255.0 * colors).astype(np.uint8)
    return pixels


def edge_layer(
    image: Tensor,
    *,
    color: Color,
    alpha: float,
    blur_kernel: int,
    thresholds: tuple[float, float],
    detection_size: int,
) -> Layer:
    """Canny's edges of an image [H, W] as a layer whose longer side has `detection_size` pixels.

    The image is first rescaled to 0 to 255 and resampled to that size, so that the thresholds mean the same at every
    resolution.
    """
    height, width = image.shape
    scale = detection_size / max(height, width)
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    edges = _canny(_resized(_to_bytes(image), small), blur_kernel, thresholds)
    return _layer(alpha * edges, color)


def _canny(image: Tensor, blur_kernel: int, thresholds: tuple[float, float]) -> npt.NDArray[np.bool_]:
    feature = require("skimage.feature", "plot", "finding edges")
    # OpenCV's Gaussian for a kernel of that many pixels; users know the argument from there.
    sigma = 0.3 * ((blur_kernel - 1) / 2 - 1) + 0.8 if blur_kernel > 1 else 0.0
    low, high = thresholds
    pixels = image.round().to(torch.uint8).numpy()
    edges: npt.NDArray[np.bool_] = feature.canny(pixels, sigma, low, high, mode="nearest")
    return edges


def _to_bytes(image: Tensor) -> Tensor:
    low, high = image.min(), image.max()
    return 255.0 * (image - low) / (high - low) if high > low else torch.zeros_like(image)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    resized: Tensor = functional.interpolate(
        image[None, None], size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0, 0]


def _eroded(area: Tensor, width: int) -> Tensor:
    """An area without its outermost pixels; everything beyond the picture counts as outside."""
    outside = functional.pad((~area).float()[None, None], (width,) * 4, value=1.0)
    grown: Tensor = functional.max_pool2d(outside, 2 * width + 1, stride=1)
    return grown[0, 0] == 0


def _layer(opacity: npt.NDArray[np.floating], color: Color) -> Layer:
    layer = np.empty((*opacity.shape, 4), dtype=np.float32)
    layer[..., :3] = color
    layer[..., 3] = np.clip(opacity, 0.0, 1.0)
    return layer


def _over(above: Layer, below: Layer) -> Layer:
    """One layer over another (Porter and Duff, Compositing digital images, 1984, for colors not premultiplied)."""
    top = above[..., 3:]
    left = below[..., 3:] * (1.0 - top)
    opacity = top + left
    colors = np.divide(
        above[..., :3] * top + below[..., :3] * left,
        opacity,
        out=np.zeros_like(above[..., :3]),
        where=opacity > 0.0,
    )
    return np.concatenate([colors, opacity], axis=-1)
