"""Images as the writers accept them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["Array", "Image", "as_array", "as_plane", "is_float"]

Array = npt.NDArray[Any]
Image = Tensor | npt.ArrayLike


def as_array(image: Image) -> Array:
    """The values of a tensor or an array, on the CPU."""
    return image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)


def as_plane(image: Image, *, kind: str) -> Array:
    """One image [H, W] of real numbers, none of them NaN or infinite.

    Args:
        image: the image.
        kind: the kind of file or image, for the error.

    Raises:
        ValueError: if it is not a single plane, has no pixels, or a value is NaN or infinite.
        TypeError: if its values are not real numbers.
    """
    array = as_array(image)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"image must be one plane [H, W] to be written as {kind}, got shape {array.shape}")
    if array.dtype.kind not in "buif":
        raise TypeError(f"image must hold real numbers, got {array.dtype}")
    if is_float(array) and not np.isfinite(array).all():
        wrong = int(np.count_nonzero(~np.isfinite(array)))
        raise ValueError(f"image must be finite, got {wrong} pixels that are NaN or infinite")
    return array


def is_float(array: Array) -> bool:
    """Whether the values are floating point."""
    return array.dtype.kind == "f"
