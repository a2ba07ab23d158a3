"""Checks of numbers and counts, the same everywhere: Python's, NumPy's, and arrays and tensors of no axes."""

import math
import operator
from dataclasses import fields
from typing import Any

import numpy as np

__all__ = ["as_count", "as_number", "plain", "plain_fields"]


def as_count(value: object, name: str, least: int = 1) -> int:
    """A number of pixels, samples or steps as int: an integer of at least `least`, Python's or NumPy's.

    Raises:
        TypeError: if it is not an integer.
        ValueError: if it is too small.

    Example:
        >>> as_count(np.int64(12), "height")
        12
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count}")
    return count


def as_number(value: object, name: str) -> float:
    """A finite number as float; text, booleans, containers and tensors that carry a gradient are refused.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is NaN or infinite.

    Example:
        >>> as_number(np.float32(0.5), "pixel_mm")
        0.5
    """
    refused = isinstance(value, bool | np.bool_ | str | bytes | np.complexfloating) or getattr(value, "ndim", 0) != 0
    if refused or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if getattr(value, "requires_grad", False):
        raise TypeError(f"{name} must be a plain number, got {value!r}, whose gradient would be lost")
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def plain(value: Any) -> Any:
    """NumPy's scalars and arrays of no axes as Python's numbers, in tuples and lists too; all else as it is."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if type(value) in (tuple, list):
        return type(value)(plain(part) for part in value)
    return value


def plain_fields(record: Any) -> None:
    """Have a frozen dataclass hold Python's numbers where it was given NumPy's: they print, pickle and hash alike."""
    for field in fields(record):
        value = getattr(record, field.name)
        number = plain(value)
        if number is not value:
            object.__setattr__(record, field.name, number)
