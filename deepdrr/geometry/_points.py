"""Points and directions: what a coordinate triple is, and how a transform moves it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepdrr._numbers import plain

__all__ = ["ArrayLike", "as_point", "point", "transform_directions", "transform_points", "vector"]

ArrayLike = Tensor | np.ndarray[Any, Any] | Sequence[float]


def point(x: float, y: float, z: float) -> Tensor:
    """A position in millimetres.

    Args:
        x, y, z: coordinates (mm) in a frame that the name of the variable should state.

    Returns:
        float64 tensor [3].

    Example:
        >>> point(10, 0, -5)
        tensor([10.,  0., -5.], dtype=torch.float64)
    """
    return as_point((x, y, z), "point")


def vector(x: float, y: float, z: float) -> Tensor:
    """A direction or displacement: moved by the rotation of a transform only.

    Args:
        x, y, z: components (mm, or unitless for a direction).

    Returns:
        float64 tensor [3].
    """
    return as_point((x, y, z), "vector")


def as_point(value: ArrayLike, name: str) -> Tensor:
    """Check and convert one coordinate triple.

    Args:
        value: three finite numbers (mm).
        name: the argument's name, for the error message.

    Returns:
        float64 tensor [3].

    Raises:
        TypeError: if there is something else than numbers in it.
        ValueError: if there are not three numbers, or one is NaN or infinite.
    """
    try:
        triple = torch.as_tensor(plain(value), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be three coordinates in mm, got {value!r}") from error
    if triple.shape != (3,):
        raise ValueError(f"{name} must be three coordinates in mm, got shape {tuple(triple.shape)}")
    if not all(math.isfinite(c) for c in triple.tolist()):
        raise ValueError(f"{name} must be finite, got {triple.tolist()}")
    return triple


def transform_points(b_from_a: Tensor, points_a: Tensor) -> Tensor:
    """Move points from frame a to frame b, p_b = A p_a + t.

    Args:
        b_from_a: affine transforms [..., 4, 4].
        points_a: points [..., N, 3] or one point [3] (mm).

    Returns:
        Points in frame b, batch dimensions broadcast; the dtype is the points'.

    Example:
        >>> from deepdrr.geometry import translation
        >>> transform_points(translation((0, 0, 7)), point(1, 2, 3))
        tensor([ 1.,  2., 10.], dtype=torch.float64)
    """
    matrix = b_from_a.to(points_a.dtype)
    offset = matrix[..., :3, 3]
    if points_a.dim() > 1:
        offset = offset.unsqueeze(-2)
    return transform_directions(matrix, points_a) + offset


def transform_directions(b_from_a: Tensor, directions_a: Tensor) -> Tensor:
    """Move directions from frame a to frame b, d_b = A d_a (no translation, no normalization).

    Args:
        b_from_a: affine transforms [..., 4, 4].
        directions_a: directions [..., N, 3] or one direction [3].

    Returns:
        Directions in frame b.
    """
    linear = b_from_a[..., :3, :3].to(directions_a.dtype)
    if directions_a.dim() == 1:
        return linear @ directions_a
    return directions_a @ linear.transpose(-1, -2)
