"""Where the pixels of a detector are, and the rays to them in a compact form."""

from typing import TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.camera._parts import Parts

__all__ = ["RayLines", "pixel_centers", "pixel_lines", "ray_ends", "ray_lines"]

Array = TypeVar("Array", Tensor, NDArray[np.float64])
# (rows, columns) of the source, (rows, columns) of the target.
Lines: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]
RayLines: TypeAlias = Lines[NDArray[np.float64]]


def pixel_centers(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Image coordinates of the pixels' centres: u [W] of the columns, v [H] of the rows, of the type of `like`."""
    u, v = (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5 for count in (width, height))
    return u, v


def pixel_lines(
    world_from_pixel: Array, source: Array, u: Array, v: Array, *, along: Array | None = None
) -> Lines[Array]:
    """Each end of a ray as the sum of a place for its row and one for its column of pixels.

    A pixel's place, M (u, v, 1) + source, is affine in u and in v.

    Args:
        world_from_pixel: M = R⁻¹ K⁻¹ sdd [..., 3, 3], from (u, v, 1) to mm from the source.
        source: the source [..., 3], mm.
        u, v: centres of the columns [W] and of the rows [H], pixels.
        along: for parallel rays the way [..., 3] from where each of them starts to its pixel, mm; None for a point
            source.

    Returns:
        (rows, columns) of the source, (rows, columns) of the target: each broadcasts to [..., H, W, 3], mm.
        All of PyTorch or all of NumPy, as the arguments are.
    """
    origin, matrix = source[..., None, None, :], world_from_pixel[..., None, None, :, :]
    columns = u[:, None] * matrix[..., 0]
    rows = v[:, None, None] * matrix[..., 1] + (matrix[..., 2] + origin)
    if along is not None:
        return (rows - along[..., None, None, :], columns), (rows, columns)
    return (origin, 0.0 * origin), (rows, columns)


def ray_ends(parts: Parts, height: int, width: int, *, orthographic: bool) -> tuple[Tensor, Tensor]:
    """Source and target of the ray of every pixel; see `Camera.pixel_rays`."""
    intrinsics, pose, sdd_mm = parts
    u, v = pixel_centers(height, width, intrinsics)
    sources, targets = _camera_lines(pose, torch.linalg.inv(intrinsics), sdd_mm, u, v, orthographic=orthographic)
    target = targets[0] + targets[1]
    return (sources[0] + sources[1]).expand_as(target), target


def ray_lines(parts: Parts, height: int, width: int, *, orthographic: bool) -> RayLines:
    """The same rays in a compact form; see `Camera.pixel_lines`."""
    intrinsics, pose, sdd_mm = (part.detach().cpu().double().numpy() for part in parts)
    u, v = (np.arange(n, dtype=np.float64) + 0.5 for n in (width, height))
    return _camera_lines(pose, np.linalg.inv(intrinsics), sdd_mm, u, v, orthographic=orthographic)


def _camera_lines(
    camera_from_world: Array, k_inv: Array, sdd_mm: Array, u: Array, v: Array, *, orthographic: bool
) -> Lines[Array]:
    """The rays of `pixel_lines` of a camera given by its pose [..., 4, 4], K⁻¹ [..., 3, 3] and sdd [...]."""
    inverse = camera_from_world[..., :3, :3].swapaxes(-1, -2)
    source = -(inverse @ camera_from_world[..., :3, 3:])[..., 0]
    along = camera_from_world[..., 2, :3] * sdd_mm[..., None] if orthographic else None
    return pixel_lines(inverse @ k_inv * sdd_mm[..., None, None], source, u, v, along=along)
