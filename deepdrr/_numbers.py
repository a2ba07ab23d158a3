"""Checks of numbers and counts, the same everywhere."""

import math

__all__ = ["as_number", "check_count"]


def check_count(value: object, name: str, least: int = 1) -> None:
    """Check a number of pixels, samples or steps: an integer of at least `least`.

    Raises:
        TypeError: if it is not an integer.
        ValueError: if it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def as_number(value: object, name: str) -> float:
    """A finite number as float; text, booleans and containers are refused.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is NaN or infinite.
    """
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number
