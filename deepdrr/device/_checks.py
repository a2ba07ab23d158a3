"""Checks shared by the devices: of kinds of objects and of keys."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from deepdrr._names import unknown_name
from deepdrr._numbers import as_number

__all__ = ["as_angle_deg", "check_keys", "check_kind"]


def check_kind(value: object, kind: type, name: str) -> None:
    """Check the class of an object.

    Raises:
        TypeError: names the class.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")


def as_angle_deg(value: object, name: str, degrees: bool) -> float:
    """A finite angle in degrees, from degrees or (`degrees=False`) radians."""
    number = as_number(value, name)
    return number if degrees else math.degrees(number)


def check_keys(config: Mapping[str, Any], known: Iterable[str], name: str) -> None:
    """Refuse a configuration with an unknown key.

    Raises:
        TypeError: if it is not a mapping.
        ValueError: names the first unknown key and the nearest known one.
    """
    if not isinstance(config, Mapping):
        raise TypeError(f"{name} must be a mapping, got {config!r}")
    names = list(known)
    for key in config:
        if key not in names:
            raise unknown_name(f"key in {name}:", key, names)
