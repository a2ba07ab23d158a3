"""Checks of switches, devices and paths, the same everywhere."""

import os
from pathlib import Path

import numpy as np
import torch

__all__ = ["check_flag", "checked_device", "checked_path"]


def check_flag(value: object, name: str) -> None:
    """Check a switch, Python's or NumPy's.

    Raises:
        TypeError: if it is not a bool.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def checked_device(device: object) -> torch.device:
    """A device that torch can use here.

    Raises:
        ValueError: for what names none, or one that is not here; the message holds torch's reason.
    """
    try:
        found: torch.device = torch.device(device)  # type: ignore[call-overload]
    except (RuntimeError, TypeError):
        raise ValueError(f"device must be 'cpu', or a GPU such as 'cuda:0', got {device!r}") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be 'cpu' here, got {str(device)!r}: this torch sees no CUDA GPU")
    try:
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device must be one that torch can use here, got {str(device)!r}: {error}") from error
    return found


def checked_path(path: object, name: str = "path") -> Path:
    """A path.

    Raises:
        TypeError: if it is neither text nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a str or a Path, got {path!r}")
    return Path(path)
