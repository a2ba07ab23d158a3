"""`plot_drr` and `overlay`: images side by side as subplots."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deepdrr._extras import require
from deepdrr.plot._arrays import Color, as_batch, as_mask, colors_of, edge_layer, flattened, mask_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

__all__ = ["overlay", "picture", "plot_drr"]


def plot_drr(
    img: Tensor,
    mask: Tensor | None = None,
    title: Sequence[str] | None = None,
    ticks: bool = True,
    axs: "Axes | Sequence[Axes] | np.ndarray[Any, Any] | None" = None,
    cmap: "str | Colormap" = "gray",
    mask_cmap: "str | Colormap" = "Set2",
    mask_n_colors: int = 7,
    interior_alpha: float = 0.3,
    edge_alpha: float = 1.0,
    edge_width: int = 1,
    **imshow_kwargs: Any,
) -> "list[Axes]":
    """Draw each image of a batch, with structures in color if there are any.

    The sum over the channels is shown. If there are several channels, the first is the background, and the others are
    drawn as masks wherever they are above zero. For an image of one channel a mask can be given.

    Args:
        img: [B, C, H, W]. Each image has its own grey scale from its smallest to its largest value, unless `vmin` and
            `vmax` are given.
        mask: [B, C, H, W], above zero inside; channel 0 is the background and is not drawn.
        title: one per image, written below it.
        ticks: show the numbers of the first and last row and column, counted from 1.
        axs: axes to draw on, one per image; None: a new figure.
        cmap: color map of the image.
        mask_cmap: color map of the masks.
        mask_n_colors: number of colors taken from it before they repeat.
        interior_alpha: opacity of a mask, 0 to 1.
        edge_alpha: additional opacity of its outline.
        edge_width: width of the outline, pixels.
        imshow_kwargs: arguments of `Axes.imshow` for the image, e.g. `vmin`.

    Returns:
        The axes, one per image.

    Raises:
        TypeError: if an image is not a tensor.
        ValueError: for shapes, titles or axes that do not fit together, or a mask together with several channels.
        ImportError: if matplotlib is not installed.

    Example:
        >>> import torch
        >>> import matplotlib; matplotlib.use("agg")
        >>> axes = plot_drr(torch.rand(2, 1, 8, 8), title=["AP", "lateral"])
        >>> [ax.get_xlabel() for ax in axes]
        ['AP', 'lateral']
    """
    values = as_batch(img, "img")
    if values.shape[1] > 1:
        if mask is not None:
            raise ValueError(
                f"mask must be None where img has several channels, which are the mask, got {values.shape[1]} channels"
            )
        areas = (values > 0)[:, 1:]
    else:
        areas = values.bool()[:, 1:] if mask is None else as_mask(mask, values, "mask")[:, 1:]
    axes = _draw(values, title, ticks, axs, {"cmap": cmap, **imshow_kwargs})
    colors = colors_of(mask_cmap, areas.shape[1], mask_n_colors)
    if colors:
        for ax, area in zip(axes, areas, strict=True):
            ax.imshow(mask_layer(area, colors, interior_alpha, edge_alpha, edge_width))
    return axes


def picture(img: Tensor) -> npt.NDArray[np.uint8]:
    """One image as `plot_drr` draws it, as pixels without a figure.

    Args:
        img: [C, H, W], finite.

    Returns:
        Red, green and blue [H, W, 3], uint8.

    Raises:
        TypeError, ValueError: as in `plot_drr`, and for NaN or infinite pixels.
        ImportError: for several channels, if matplotlib is not installed.

    Example:
        >>> import torch
        >>> picture(torch.tensor([[[0.0, 0.2, 1.0]]]))[0].tolist()
        [[0, 0, 0], [51, 51, 51], [255, 255, 255]]
    """
    (values,) = as_batch(img[None] if isinstance(img, Tensor) else img, "img")
    if wrong := int((~values.isfinite()).sum()):
        raise ValueError(f"img must be finite, got {wrong} values that are NaN or infinite")
    total = values.sum(dim=0)
    low, high = total.min(), total.max()
    gray = ((total - low) / (high - low) if high > low else torch.zeros_like(total)).numpy()
    classes = values[1:] > 0
    if not len(classes):
        return flattened(gray, np.zeros((*gray.shape, 4), dtype=np.float32))
    return flattened(gray, mask_layer(classes, colors_of("Set2", len(classes), 7), 0.3, 1.0, 1))


def overlay(
    moving: Tensor,
    fixed: Tensor,
    title: Sequence[str] | None = None,
    ticks: bool = True,
    axs: "Axes | Sequence[Axes] | np.ndarray[Any, Any] | None" = None,
    blur_kernel: int = 3,
    canny_low: float = 0,
    canny_high: float = 100,
    edge_color: Color = (1.0, 0.0, 0.0),
    edge_alpha: float = 1.0,
    edge_detection_size: int = 200,
) -> "list[Axes]":
    """Draw the edges of the moving images over the fixed images, to judge their alignment.

    The edges are found by Canny's method in the sum over the channels.

    Args:
        moving: [B, C, H, W], finite.
        fixed: [B, C, H, W]; the number of channels may differ.
        title, ticks, axs: as in `plot_drr`.
        blur_kernel: side of the Gaussian kernel applied before edge detection, pixels, odd; 1 for no blur.
        canny_low, canny_high: Canny's thresholds: an edge starts at a gradient above the high one and continues while
            it is above the low one (Sobel's gradient of an image from 0 to 255).
        edge_color: red, green and blue in [0, 1].
        edge_alpha: opacity in [0, 1].
        edge_detection_size: pixels along the longer side for edge detection.

    Returns:
        The axes, one per image.

    Raises:
        TypeError: if an image is not a tensor.
        ValueError: for shapes, titles or axes that do not fit together, numbers outside the ranges stated here, or
            moving images with NaN or infinite pixels.
        ImportError: if matplotlib or scikit-image is not installed.

    Example:
        >>> import torch
        >>> import matplotlib; matplotlib.use("agg")
        >>> axes = overlay(torch.eye(16)[None, None], torch.rand(1, 1, 16, 16), title=["start"])
        >>> len(axes[0].images)
        2
    """
    moving_values, fixed_values = as_batch(moving, "moving"), as_batch(fixed, "fixed")
    if len(moving_values) != len(fixed_values) or moving_values.shape[-2:] != fixed_values.shape[-2:]:
        raise ValueError(
            f"moving and fixed must have as many images and pixels, got shapes {tuple(moving.shape)} and "
            f"{tuple(fixed.shape)}"
        )
    if wrong := int((~moving_values.isfinite()).sum()):
        raise ValueError(f"moving must be finite to have edges, got {wrong} values that are NaN or infinite")
    _check_edges(blur_kernel, canny_low, canny_high, edge_alpha, edge_detection_size)
    axes = _draw(fixed_values, title, ticks, axs, {"cmap": "gray"})
    for ax, image in zip(axes, moving_values.sum(dim=1), strict=True):
        layer = edge_layer(
            image,
            color=edge_color,
            alpha=edge_alpha,
            blur_kernel=blur_kernel,
            thresholds=(canny_low, canny_high),
            detection_size=edge_detection_size,
        )
        # The layer has another resolution: stretch it over the image, from the outer corner of the first pixel on.
        ax.imshow(layer, extent=ax.images[0].get_extent(), interpolation="bilinear")
    return axes


def _check_edges(blur_kernel: int, low: float, high: float, alpha: float, size: int) -> None:
    if blur_kernel < 1 or blur_kernel % 2 == 0:
        raise ValueError(f"blur_kernel must be odd and positive, got {blur_kernel}")
    if not 0 <= low <= high:
        raise ValueError(f"canny_low and canny_high must be 0 ≤ canny_low ≤ canny_high, got {low} and {high}")
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"edge_alpha must be in [0, 1], got {alpha}")
    if size < 3:
        raise ValueError(f"edge_detection_size must be at least 3, got {size}")


def _draw(
    values: Tensor, title: Sequence[str] | None, ticks: bool, axs: object, options: dict[str, Any]
) -> "list[Axes]":
    """Draw the sum over the channels of each image, with title and ticks."""
    count, _, height, width = values.shape
    if isinstance(title, str):
        raise TypeError(f"title must be a list with one title for each image, got the text {title!r}")
    if title is not None and len(title) != count:
        raise ValueError(f"title must have one entry for each of {count} images, got {len(title)}")
    axes = _axes(axs, count)
    for index, (ax, image) in enumerate(zip(axes, values.sum(dim=1).numpy(), strict=True)):
        ax.imshow(image, **options)
        ax.xaxis.tick_top()
        if title is not None:
            ax.set_xlabel(title[index])
        ax.set_xticks([0, width - 1] if ticks else [], ["1", str(width)] if ticks else [])
        ax.set_yticks([0, height - 1] if ticks else [], ["1", str(height)] if ticks else [])
    return axes


def _axes(axs: object, count: int) -> "list[Axes]":
    if axs is None:
        pyplot = require("matplotlib.pyplot", "plot", "drawing")
        _, made = pyplot.subplots(ncols=count, figsize=(max(5.0, 3.0 * count), 5.0), squeeze=False)
        return list(made[0])
    given = list(np.ravel(np.asarray(axs, dtype=object)))
    if len(given) != count:
        raise ValueError(f"axs must have one axes for each of {count} images, got {len(given)}")
    return cast("list[Axes]", given)
