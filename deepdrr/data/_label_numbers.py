"""Numbers that are labels: whole, from 0 up, in the smallest type that holds them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["LARGEST_LABEL", "as_array", "whole_labels"]

LARGEST_LABEL = 2**31 - 1
# Labels behind a slope, as nibabel writes floats into integers, are off by half a step; a probability or a mean of two
# labels is not near a whole number everywhere.
_ROUNDING = 0.1


def as_array(labels: Tensor | NDArray[Any]) -> NDArray[Any]:
    """The numbers of a tensor or an array, of any type, on the host."""
    if not isinstance(labels, Tensor):
        return np.asarray(labels)
    values = labels.detach().cpu()
    return (values.float() if values.is_floating_point() and values.element_size() < 4 else values).numpy()


def whole_labels(values: NDArray[Any], name: str = "labels") -> NDArray[Any]:
    """The labels as uint8, int16 or int32, the smallest that holds them; a new array.

    Args:
        values: numbers within a tenth of a whole number, which they stand for.
        name: the argument's name, for errors.

    Raises:
        TypeError: if they are not real numbers.
        ValueError: if one is negative, above 2³¹ − 1, or not a whole number.
    """
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be integers, got dtype {values.dtype}")
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name} must be integers, got NaN or infinite values")
    is_float = values.dtype.kind == "f"
    if low < (-_ROUNDING if is_float else 0) or high > LARGEST_LABEL:
        raise ValueError(f"{name} must be from 0 to {LARGEST_LABEL}, got values from {low:g} to {high:g}")
    dtype = next(t for t, top in ((np.uint8, 255), (np.int16, 32767), (np.int32, LARGEST_LABEL)) if high < top + 0.5)
    if not is_float:
        return values.astype(dtype, order="C")
    whole = np.empty(values.shape, dtype=dtype)
    for given, kept in zip(values, whole, strict=True):  # a plane at a time stays in the cache
        nearest = np.rint(given)
        kept[...] = nearest
        if (off := np.abs(given - nearest) > _ROUNDING).any():
            raise ValueError(f"{name} must be integers, got {float(given[off].flat[0]):.6g}; is it a label map?")
    return whole
